"""The options of ``gryphon report`` for the command line; everything heavy is imported when the command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from gryphon.sender.interrupt import interruptible


def report(
    results: Annotated[
        list[str], typer.Argument(metavar="RESULT", help="Result files of gryphon send --json; two are compared.")
    ],
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="OUT", help="The page to write, - for standard output.")
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="The results are of several senders in one run.")] = False,
    csv: Annotated[str | None, typer.Option("--csv", metavar="FILE", help="The run over time, as CSV.")] = None,
    json: Annotated[str | None, typer.Option("--json", metavar="FILE", help="The merged result.")] = None,
    server: Annotated[
        list[str] | None,
        typer.Option("--server", metavar="FILE", help="Counters of the server: CSV of time and numbers; several."),
    ] = None,
) -> None:
    """Make a page of a result, of two to compare, or of several senders' together."""
    with interruptible():
        from gryphon.sender.report.run import ReportOptions, run_report

        raise typer.Exit(run_report(ReportOptions(tuple(results), output, merge, csv, json, tuple(server or ()))))
