"""The ``gryphon`` command: options in, exit status out. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import Annotated

import typer

from gryphon.controller.errors import Fault
from gryphon.controller.logs import FILE_ONLY
from gryphon.controller.privileges import without_library_threads
from gryphon.sender.check.cli import check as check_hosts
from gryphon.sender.extract.cli import extract
from gryphon.sender.inspect.cli import inspect
from gryphon.sender.numeric import int_option
from gryphon.sender.report.cli import report as report_command
from gryphon.sender.send_cli import send

log = logging.getLogger("gryphon")

app = typer.Typer(
    help="Replay recorded TCP client sessions as simulated users with forged addresses.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"gryphon {version('gryphon')}")
        raise typer.Exit


@app.callback()
def main_options(
    version: Annotated[
        bool, typer.Option("--version", "-v", callback=_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    """Replay recorded TCP client sessions as simulated users with forged addresses."""


app.command(no_args_is_help=True)(send)
app.command(no_args_is_help=True)(inspect)


@app.command()
def demo(
    users: Annotated[int, int_option("-u", "--users", help="Simulated users per topology.", example="1000")] = 1000,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the lab up and say how to enter it.")] = False,
    enter: Annotated[
        str | None, typer.Option("--enter", metavar="HOST", help="A shell in a host of the kept lab.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove labs that were kept.")] = False,
) -> None:
    """Record real clients and replay them in all three topologies, in a lab of network namespaces."""
    if enter is not None:
        from gryphon.lab.enter import enter as become_shell

        become_shell(enter)
    from gryphon.lab.demo import run_demo

    raise typer.Exit(run_demo(users=users, keep=keep, remove=remove))


app.command(no_args_is_help=True)(extract)
app.command("check")(check_hosts)
app.command("report", no_args_is_help=True)(report_command)


def main() -> None:
    """Entry point: a fault is one sentence and its exit status, a bug of ours is named as one."""
    without_library_threads()
    try:
        app(prog_name="gryphon")
    except Fault as fault:
        log.error("%s", fault) if log.hasHandlers() else print(f"gryphon: {fault}", file=sys.stderr)
        sys.exit(fault.status)
    except KeyboardInterrupt:
        print("gryphon: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except Exception as error:
        if log.hasHandlers():
            log.error("%s", traceback.format_exc(), extra=FILE_ONLY)
        print(
            f"gryphon: a bug of gryphon's own: {type(error).__name__}: {error} "
            "(the log has the traceback; GRYPHON_DEBUG=1 shows it here)",
            file=sys.stderr,
        )
        if os.environ.get("GRYPHON_DEBUG"):
            raise
        sys.exit(1)
