"""What a run leaves behind: traces, summary, JSON, page and series; that each can be written is found out before it."""

from __future__ import annotations

import logging
import os
import sys
import time
from functools import partial
from pathlib import Path

from gryphon.controller.errors import InputFault
from gryphon.sender.facts import Run
from gryphon.sender.options import SendOptions
from gryphon.sender.prepare import Prepared
from gryphon.sender.results.result import Result
from gryphon.sender.results.summary import summarize

log = logging.getLogger("gryphon")


def outputs(options: SendOptions) -> list[Path]:
    """The files that will be written."""
    named = [options.json, options.report, options.csv, *([options.trace_file] if options.is_traced else [])]
    return [Path(path) for path in named if path not in (None, "-")]


def check_outputs(options: SendOptions) -> None:
    """InputFault where one of them cannot be."""
    for path in (options.json, options.report, options.csv):
        _check_writable(path)
    if options.is_traced:
        _check_writable(str(options.trace_file), "the trace")


def _check_writable(path: str | None, what: str = "the result") -> None:
    """A file that cannot be written is found out before the run, not after it."""
    if path is None or path == "-":
        return
    new = not Path(path).exists()
    try:
        with Path(path).open("a"):
            pass
    except OSError as error:
        raise InputFault(f"{what} cannot be written to {path}: {error.strerror}") from error
    if new:
        Path(path).unlink()


def _show_traces(prepared: Prepared, run: Run) -> None:
    """The packets of failed or chosen sessions, on the terminal and as a capture, where that was asked for."""
    if not prepared.options.is_traced:
        return
    from gryphon.sender.trace.show import transcripts, write_capture

    options, targets = prepared.options, prepared.choice.targets
    traced = sorted((each for outcome in run.outcomes for each in outcome.traced), key=lambda each: each.user)
    shown = traced[: options.trace or None]
    for line in transcripts(shown, targets):
        print(line, file=sys.stderr)
    if not shown:
        print("trace       no session that was watched has failed", file=sys.stderr)
        return
    write_capture(options.trace_file, shown, targets, time.time_ns() - time.monotonic_ns())
    print(f"trace       these packets are in {options.trace_file}\n", file=sys.stderr)


def leave(result: Result, prepared: Prepared, run: Run, notes: list[str]) -> None:
    """Everything: each part is tried though another cannot be written, for the run is over.

    Raises:
        InputFault: the first that could not be; the log has the others.
    """
    options = prepared.options
    parts = (
        partial(_show_traces, prepared, run),
        partial(_show, result, options, notes),
        partial(_leave_json, result, options),
        partial(_leave_pages, result, options.report, None),
        partial(_leave_pages, result, None, options.csv),
    )
    faults = []
    for part in parts:
        try:
            part()
        except InputFault as fault:
            faults.append(fault)
    for further in faults[1:]:
        log.error("%s", further)
    if faults:
        raise faults[0]


def _show(result: Result, options: SendOptions, notes: list[str]) -> None:
    """The summary, and the JSON where it goes to standard output."""
    json = options.json == "-"
    try:
        print(summarize(result.document, notes), end="", file=sys.stderr if json else sys.stdout, flush=True)
        if json:
            result.write("-")
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()  # the reader has seen enough: the run's own status counts
    except OSError as error:
        _discard_output()
        raise InputFault(f"the result cannot be written to standard output: {error.strerror}") from error


def _leave_json(result: Result, options: SendOptions) -> None:
    """The JSON in a file."""
    if options.json not in (None, "-"):
        result.write(options.json)


def _leave_pages(result: Result, report: str | None, csv: str | None) -> None:
    """The report, the series, where they were asked for; the summary has been seen by then."""
    if report is not None or csv is not None:
        from gryphon.sender.report.run import write_after_run

        write_after_run(result, report, csv)


def _discard_output() -> None:
    """Let Python's own flush at the end of the process meet nobody."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
