"""The options of ``gryphon extract`` for the command line; everything heavy is imported when the command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from gryphon.sender.interrupt import interruptible
from gryphon.sender.numeric import int_option


def extract(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Capture files, also with commas; - for stdin.")],
    ports: Annotated[str, typer.Option("-x", "--ports", metavar="PORTS", help="Recorded server ports: 80,443")],
    output: Annotated[str, typer.Option("-o", "--output", help="The capture to write, - for standard output.")],
    sessions: Annotated[
        int | None, int_option("--sessions", help="At most so many, the first ones.", example="100")
    ] = None,
    session: Annotated[
        str | None, typer.Option("--session", metavar="N,M,...", help="These alone, by their numbers in all files.")
    ] = None,
    anonymise: Annotated[bool, typer.Option("--anonymise", help="Replace addresses (not what payload says).")] = False,
    allow_encrypted: Annotated[
        bool, typer.Option("--allow-encrypted", help="Take TLS, SSH and salted logins too.")
    ] = False,
    hold: Annotated[bool, typer.Option("--hold", help="Take sessions whose client says nothing too.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output file.")] = False,
) -> None:
    """Write the replayable sessions of a service as a small, clean capture."""
    import logging

    from gryphon.sender.extract.options import ExtractOptions, parse_most, parse_numbers
    from gryphon.sender.options import parse_arguments
    from gryphon.sender.transfers import parse_ports

    logging.basicConfig(level=logging.WARNING, format="gryphon: %(message)s")
    options = ExtractOptions(
        files=parse_arguments(files),
        ports=frozenset(parse_ports(ports)),
        output=output,
        most=parse_most(sessions),
        numbers=parse_numbers(session),
        allow_encrypted=allow_encrypted,
        hold=hold,
        force=force,
        anonymise=anonymise,
    )
    with interruptible("; nothing was written"):
        from gryphon.sender.extract.run import run_extract

        raise typer.Exit(run_extract(options))
