"""The command line of `gryphon-intercept`; what it does is in run.py, imported only when it is to be done."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gryphon.controller.errors import Fault
from gryphon.controller.numbers import decimal, whole
from gryphon.controller.privileges import without_library_threads

if TYPE_CHECKING:
    from gryphon.intercept.options import Options

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
_DEFAULT_LOG = Path("error_intercept.log")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"gryphon-intercept {version('gryphon')}")
        raise typer.Exit


@app.command()
def intercept(
    xdp: Annotated[
        str | None, typer.Option(metavar="IFACE", help="Drop answers as they arrive here (helper host).")
    ] = None,
    tc: Annotated[str | None, typer.Option(metavar="IFACE", help="Drop answers as they leave here (server).")] = None,
    xdp_mode: Annotated[str, typer.Option(metavar="MODE", help="native, generic or auto.")] = "auto",
    listen: Annotated[str, typer.Option(metavar="ADDR:PORT", help="Where senders connect.")] = ":36524",
    allow_ranges: Annotated[
        str | None,
        typer.Option(
            metavar="CIDR,...",
            help="Forged ranges that senders may ask for.  [default: private, shared, benchmarking, documentation]",
        ),
    ] = None,
    allow_services: Annotated[
        str | None,
        typer.Option(
            metavar="ADDR:PORT,...",
            help="Services whose answers they may have dropped.  [default: any but strangers' public ones]",
        ),
    ] = None,
    linger: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            parser=decimal("--linger", "600"),
            help="Go on dropping for so long after a sender's end.",
        ),
    ] = 600.0,
    sample: Annotated[
        int,
        typer.Option(
            metavar="BYTES",
            parser=whole("--sample", "64"),
            help="Give senders the first BYTES of each answer too, up to 1024.",
        ),
    ] = 0,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The token senders must know.  [default: GRYPHON_TOKEN, else made and printed]"
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Speak TLS with this certificate (PEM).")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its key, where it is not in the same file.")
    ] = None,
    max_packets: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            parser=decimal("--max-packets", "5000"),
            help="Packets a second that all senders together may send.",
        ),
    ] = None,
    max_rate: Annotated[
        float | None,
        typer.Option(
            metavar="RATE", parser=decimal("--max-rate", "100"), help="New sessions a second that they may start."
        ),
    ] = None,
    max_users: Annotated[
        int | None,
        typer.Option(metavar="N", parser=whole("--max-users", "1000"), help="Simulated users that they may have."),
    ] = None,
    window: Annotated[
        str | None, typer.Option(metavar="HH:MM-HH:MM,...", help="Local times of day in which there are grants.")
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Written once attached and listening, removed at the end.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="A stop ends at once; the program stays while it has to drop answers.")
    ] = False,
    metrics: Annotated[str | None, typer.Option(metavar="ADDR:PORT", help="Serve figures for Prometheus here.")] = None,
    detach: Annotated[
        str | None, typer.Option(metavar="IFACE", help="Remove what a killed intercept left on IFACE, and end.")
    ] = None,
    log: Annotated[Path, typer.Option("--log", "-l", metavar="FILE", help="One line per event.")] = _DEFAULT_LOG,
    log_level: Annotated[
        str, typer.Option(metavar="LEVEL", help="What the log file holds: error, warning, info or debug.")
    ] = "info",
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Drop a server's answers to the addresses that `gryphon send` forges, and give it their header fields.

    On the server under test: sudo gryphon-intercept --tc eth0.
    On a helper host that the server routes the forged range to: sudo gryphon-intercept --xdp eth0.
    """
    from gryphon.intercept import options

    interface = options.detach_from(detach, xdp, tc)
    if interface is not None:
        _detach(interface)
        return
    from gryphon.controller.listen import parse_listen
    from gryphon.controller.logs import parse_level
    from gryphon.controller.policy import parse_network, parse_service
    from gryphon.controller.protocol import DEFAULT_PORT

    level = parse_level(log_level)
    hook, interface = options.choose_hook(xdp, tc)
    host, port = parse_listen("--listen", listen, DEFAULT_PORT)
    chosen = options.Options(
        hook=hook,
        interface=interface,
        xdp_mode=options.parse_mode(xdp_mode),
        host=host,
        port=port,
        ranges=options.parse_list("--allow-ranges", allow_ranges, parse_network),
        services=options.parse_list("--allow-services", allow_services, parse_service),
        linger_s=options.check_linger(linger),
        sample=options.check_sample(sample),
        ready_file=ready_file,
        token_file=token_file,
        allowance=options.check_allowance(max_packets, max_rate, max_users, window),
        tls_cert=tls_cert,
        tls_key=tls_key,
        metrics=metrics,
        keep=keep,
    )
    options.check_tls(tls_cert, tls_key)
    _run(chosen, log, level)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: a fault is one sentence on standard error and its exit status."""
    without_library_threads()
    given = sys.argv[1:] if arguments is None else arguments
    try:
        app(args=_with_bare_detach(given), prog_name="gryphon-intercept")
    except Fault as fault:
        print(f"gryphon-intercept: {fault}", file=sys.stderr)
        sys.exit(fault.status)


def _with_bare_detach(arguments: list[str]) -> list[str]:
    """`--detach` without a value, beside --xdp or --tc, means their interface."""
    filled = []
    for argument, following in zip(arguments, [*arguments, "-"][1:], strict=True):
        filled.append(argument)
        if argument == "--detach" and following.startswith("-"):
            filled.append("")
    return filled


def _detach(interface: str) -> None:
    from gryphon.controller.interception import detach

    for removed in detach(interface):
        print(f"removed {removed}")


def _run(chosen: Options, path: Path, level: int) -> None:
    from gryphon.controller.logs import FILE_ONLY
    from gryphon.intercept.logs import open_log
    from gryphon.intercept.run import run

    log = open_log(path, level)
    try:
        run(chosen, log)
    except Fault as fault:
        rest = getattr(fault, "log", "")  # what compiler or verifier said
        log.error("%s%s", fault, rest and "\n" + rest, extra=FILE_ONLY)
        raise
    except Exception as error:
        log.exception("unexpected", extra=FILE_ONLY)
        print(
            f"gryphon-intercept: unexpected {type(error).__name__}: {error}; the traceback is in {path}",
            file=sys.stderr,
        )
        sys.exit(1)
