"""The options of ``gryphon check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from gryphon.controller.errors import InputFault
from gryphon.sender.interrupt import interruptible
from gryphon.sender.numeric import int_option
from gryphon.sender.options import DEFAULT_PORT

_ROLES = ("sender", "server", "assistant")


def check(
    role: Annotated[
        list[str] | None, typer.Option("--role", help="What this host is to be: sender, server, assistant; several.")
    ] = None,
    interface: Annotated[
        list[str] | None, typer.Option("-i", "--interface", help="Where answers are to be dropped; several.")
    ] = None,
    transfer: Annotated[str | None, typer.Option("-x", "--transfer", help="As in send: 80-10.16.15.118:80.")] = None,
    intercept: Annotated[str | None, typer.Option("-s", "--intercept", help="As in send: HOST, xdp:IFACE.")] = None,
    clients: Annotated[str | None, typer.Option("-c", "--clients", help="As in send: '10.17.15.*'.")] = None,
    users: Annotated[
        int | None, int_option("-u", "--users", help="Simulated users of the run to come.", example="1000")
    ] = None,
    port: Annotated[
        int, int_option("-p", "--port", help="Port of the intercepts in -s.", example="36524")
    ] = DEFAULT_PORT,
    xdp_mode: Annotated[str, typer.Option("--xdp-mode", help="For -s xdp:IFACE: auto, native or generic.")] = "auto",
    token: Annotated[str | None, typer.Option("--token", help="The intercept's token (or GRYPHON_TOKEN).")] = None,
    token_file: Annotated[Path | None, typer.Option("--token-file", help="A file that holds the token.")] = None,
    tls_ca: Annotated[Path | None, typer.Option("--tls-ca", help="As in send: certificates to trust.")] = None,
    tls_fingerprint: Annotated[str | None, typer.Option("--tls-fingerprint", help="As in send.")] = None,
    json: Annotated[str | None, typer.Option("--json", help="Write the result as JSON, - for standard output.")] = None,
) -> None:
    """Say what this host lacks for a run; with -x, -s and -c also try one connection from the forged range."""
    if xdp_mode not in ("auto", "native", "generic"):
        raise InputFault(f"--xdp-mode {xdp_mode}: give auto, native or generic")
    if users is not None and users < 1:
        raise InputFault(f"-u {users}: at least one user is needed")
    if not 0 < port < 65536:
        raise InputFault(f"-p {port}: give a TCP port, 1 to 65535")
    roles = _parts(role)
    for name in roles:
        if name not in _ROLES:
            raise InputFault(f"--role {name}: give sender, server or assistant")
    from gryphon.sender.check.run import CheckOptions, run_check

    options = CheckOptions(
        roles=cast(Any, roles),
        interfaces=_parts(interface),
        transfer=transfer,
        clients=clients,
        intercept=intercept,
        users=users,
        port=port,
        xdp_mode=cast('Literal["auto", "native", "generic"]', xdp_mode),
        token=token,
        token_file=token_file,
        tls_ca=tls_ca,
        tls_fingerprint=tls_fingerprint,
        json=json,
    )
    with interruptible():
        raise typer.Exit(run_check(options))


def _parts(given: list[str] | None) -> tuple[str, ...]:
    """An option that is given several times, or with commas."""
    return tuple(part.strip() for text in given or () for part in text.split(",") if part.strip())
