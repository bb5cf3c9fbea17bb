"""``gryphon report``: result files in, a page and a table out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gryphon.controller.errors import InputFault
from gryphon.sender.report.load import Document, read_result
from gryphon.sender.report.merge import apart, merge_results
from gryphon.sender.report.page import one_page, two_pages
from gryphon.sender.report.server import MOST_COLUMNS, check_times, read_counters
from gryphon.sender.report.table import to_csv
from gryphon.sender.results.result import Result
from gryphon.sender.results.verdict import sentence
from gryphon.sender.whole import write_whole


@dataclass(frozen=True)
class ReportOptions:
    """What the user asked for."""

    results: tuple[str, ...]
    output: str | None
    merge: bool = False
    csv: str | None = None
    json: str | None = None
    servers: tuple[str, ...] = ()


def run_report(options: ReportOptions) -> int:
    """Read, put together, write; the exit status, which says that it was done and nothing of the runs.

    Raises:
        InputFault: a file is no result, the results do not go together, or a file cannot be written.
    """
    _check(options)
    documents = [read_result(path) for path in options.results]
    names, notes = [Path(path).name for path in options.results], list[str]()
    servers = [read_counters(path) for path in options.servers]
    if options.merge:
        merged, warning = merge_results(documents), apart(documents, names)
        notes = [*_senders(options.results), *([f"{warning}."] if warning else [])]
        if warning:
            print(f"gryphon: {warning}", file=sys.stderr)
        documents = [merged]
    if sum(len(server.columns) for server in servers) > MOST_COLUMNS:
        raise InputFault(f"--server: {MOST_COLUMNS} columns in all files together are the most: leave some out")
    check_times(documents, servers)
    if options.output is not None:
        two = len(documents) == 2
        page = two_pages(documents, names, servers) if two else one_page(documents[0], servers, notes)
        write_text(options.output, page, "the report")
    if options.csv is not None:
        write_text(options.csv, to_csv(documents[0]), "the series")
    if options.json is not None:
        write_text(options.json, Result(documents[0]).to_json(), "the result")
    _say(documents, names, "-" in (options.output, options.csv, options.json))
    return 0


def write_after_run(result: Result, report: str | None, csv: str | None) -> None:
    """What ``gryphon send`` leaves beside the result file."""
    if report is None and csv is None:
        return
    document: Document = json.loads(result.to_json())  # as the file has it: options are text there
    if report is not None:
        write_text(report, one_page(document), "the report")
    if csv is not None:
        write_text(csv, to_csv(document), "the series")


def write_text(destination: str, content: str, what: str) -> None:
    """Write a file, ``-`` for standard output. Raises ``InputFault`` where that is not possible."""
    try:
        if destination == "-":
            sys.stdout.write(content)
            sys.stdout.flush()
        else:
            write_whole(destination, content)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has seen enough
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InputFault(f"{what} cannot be written to {destination}: {why}") from error


def _check(options: ReportOptions) -> None:
    """What goes together; before anything is read."""
    outputs = [path for path in (options.output, options.csv, options.json) if path is not None]
    if not outputs:
        raise InputFault("say what to write: -o out.html for the page, --csv FILE for the series")
    if len(set(outputs)) < len(outputs):
        raise InputFault("-o, --csv and --json name the same file: give each its own")
    if len(options.results) > 2 and not options.merge:
        raise InputFault(
            f"{len(options.results)} results: give two to compare them, before and after, or add --merge if several "
            "senders made them in one run"
        )
    if options.json is not None and not options.merge:
        raise InputFault("--json writes the merged result: add --merge")
    if options.csv is not None and len(options.results) > 1 and not options.merge:
        raise InputFault("--csv takes one result: give one, or several senders' with --merge")
    for path in outputs:
        if any(_same(path, read) for read in (*options.results, *options.servers)):
            raise InputFault(f"{path} would be overwritten, and it is what is to be read: name another file")


def _same(output: str, read: str) -> bool:
    """Whether both names lead to one file that is there."""
    try:
        return output != "-" and Path(output).samefile(read)
    except (OSError, ValueError):
        return False


def _senders(results: Sequence[str]) -> list[str]:
    if len(results) < 2:
        return []
    return [
        f"{len(results)} senders together: counts and percentiles are exact. Over time, latencies are the highest "
        "of any sender's; most at once is the sum of each one's most."
    ]


def _say(documents: Sequence[Document], names: Sequence[str], aside: bool) -> None:
    """One line about each result, to the side where standard output is taken."""
    labels = names if len(documents) > 1 else [" + ".join(names)]
    for label, document in zip(labels, documents, strict=True):
        print(f"{label}: {sentence(document)}", file=sys.stderr if aside else sys.stdout)
