"""A result, or two to compare, as one HTML page that needs nothing else: no network, no script, no font."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Final

from gryphon.sender.report import words
from gryphon.sender.report.change import changes
from gryphon.sender.report.draw import draw, frame_for
from gryphon.sender.report.figure import Figure
from gryphon.sender.report.figures import curves, figures
from gryphon.sender.report.load import Document
from gryphon.sender.report.markup import Markup, element, join, text
from gryphon.sender.report.merge import commands
from gryphon.sender.report.server import Counters, server_figures
from gryphon.sender.results.human import number
from gryphon.sender.results.progress import clock
from gryphon.sender.results.verdict import sentence

POINTS, POINTS_OF_TWO = 120, 64
"""Points of a line at most: what a figure has room for, and what keeps a page below 200 kB."""

MOST_COMMANDS: Final = 16
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_GOOD: Final = {"passed": "good", "interrupted": "odd", "ended_early": "odd"}


def one_page(document: Document, servers: Sequence[Counters] = (), notes: Sequence[str] = ()) -> str:
    """The page of one result, which several senders may have made.

    Args:
        document: as ``load.check_result`` has checked it.
        servers: counters of the server under test.
        notes: further sentences for the top.
    """
    shown = [*figures(document, POINTS), *curves({"": document}), *server_figures(document, servers, POINTS)]
    title = f"gryphon: {sentence(document)}"
    return _page(
        title,
        _head(document, "h1", [*notes, *words.remarks(document)]),
        _tiles(document),
        words.thresholds(document),
        element("section", *(_figure(figure, [figure]) for figure in shown if _worth(figure)), class_="figures"),
        _thinned([document], POINTS),
        element("section", words.latencies(document), words.counts(document), class_="tables"),
        words.examples(document),
        words.details("The run over time, as a table", words.over_time(document)),
        words.details("Options in effect", words.options(document)),
    )


def two_pages(documents: Sequence[Document], names: Sequence[str], servers: Sequence[Counters] = ()) -> str:
    """Two results side by side, every pair of figures on the same axes."""
    of = [_named(document, servers) for document in documents]
    keys = list(dict.fromkeys(key for one in of for key in one))
    pairs = [_pair([one.get(key) for one in of], names) for key in keys]
    labels = [f"before ({names[0]})", f"after ({names[1]})"]
    heads = [
        element(
            "article", element("p", text(label), class_="label"), _head(document, "h2", list(words.remarks(document)))
        )
        for label, document in zip(labels, documents, strict=True)
    ]
    both = curves(dict(zip(("before", "after"), documents, strict=True)))
    return _page(
        f"gryphon: {names[0]} and {names[1]}",
        element("h1", text("Before and after")),
        element("section", *heads, class_="pair"),
        changes(documents[0], documents[1]),
        element("section", *(_figure(figure, [figure]) for figure in both if _worth(figure)), class_="figures"),
        _thinned(documents, POINTS_OF_TWO),
        *pairs,
        *(
            words.details(
                f"All numbers, {label}", words.latencies(document), words.counts(document), words.options(document)
            )
            for label, document in zip(labels, documents, strict=True)
        ),
    )


def _page(title: str, *parts: Markup) -> str:
    style = resources.files("gryphon.sender.report").joinpath("page.css").read_text("utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", text(title, 120)),
        element("style", Markup(style)),
    )
    body = element("body", element("main", *parts))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _head(document: Document, level: str, notes: Sequence[str]) -> Markup:
    """Verdict, commands, environment, and what to know before reading on."""
    kind = _GOOD.get(document["verdict"], "bad")
    verdict, _, why = sentence(document).partition(": ")
    why = why or f"{number(document['users']['started'])} users in {clock(document['duration_s'])}"
    heading = element(level, element("span", text(verdict), class_=f"verdict {kind}"), text(" " + why))
    lines = join(element("pre", _words(line)) for line in commands(document)[:MOST_COMMANDS])
    known = join(element("p", text(note), class_="note", role="note") for note in notes)
    return element("header", heading, known, lines, words.definitions(words.environment(document)))


def _words(line: str) -> Markup:
    """A command line that breaks between words, and within one only where it is longer than the line."""
    spans = (element("span", text(word)) for word in line[:4000].split(" "))
    return join([*spans, *[text("...")] * (len(line) > 4000)], " ")


def _tiles(document: Document) -> Markup:
    made = (
        element("div", element("dt", text(name)), element("dd", element("b", text(value)), text(of)))
        for name, value, of in words.tiles(document)
    )
    return element("dl", *made, class_="tiles")


def _named(document: Document, servers: Sequence[Counters]) -> dict[str, Figure]:
    shown = [*figures(document, POINTS_OF_TWO), *server_figures(document, servers, POINTS_OF_TWO)]
    return {figure.key: figure for figure in shown}


def _worth(figure: Figure) -> bool:
    """That nobody failed is worth a place; that nothing was pushed is not."""
    return not figure.empty or figure.key == "failures"


def _thinned(documents: Sequence[Document], points: int) -> Markup:
    """What a point stands for, where it is more than a row."""
    if max(len(document["series"]) for document in documents) <= points:
        return Markup("")
    note = "A point stands for several seconds: latencies and open connections are the highest in them."
    return element("p", text(note), class_="soft")


def _figure(figure: Figure, together: Sequence[Figure], label: str = "") -> Markup:
    """A figure with its name, drawing, key and note; of one in which nothing happened, the word for that."""
    heading = element("h3", text(label or figure.title), element("small", text(figure.unit)))
    if figure.empty or not any(each.highest() for each in together):
        none = "No session failed." if figure.key == "failures" else "None in this run."
        return element("figure", heading, element("p", text(none), class_="none"))
    mark = "bar" if figure.kind == "stack" else "line"
    entries = [
        element("li", element("i", class_=f"key {mark} k{i}"), text(line.name, 60))
        for i, line in enumerate(figure.lines)
    ]
    key = element("ul", *entries, class_="keys") if len(entries) > 1 or figure.kind == "stack" else Markup("")
    note = element("figcaption", text(figure.note)) if figure.note and not label else Markup("")
    return element("figure", heading, key, draw(figure, frame_for(together)), note)


def _pair(pair: Sequence[Figure | None], names: Sequence[str]) -> Markup:
    """The same figure of both results on the same axes; nothing where neither has anything to show."""
    there = [figure for figure in pair if figure is not None and not figure.empty]
    if not there:
        return Markup("")
    made = [
        _figure(figure, there, label) if figure else element("figure", element("p", text("Not given."), class_="none"))
        for figure, label in zip(pair, (f"before: {names[0]}", f"after: {names[1]}"), strict=True)
    ]
    note = element("p", text(there[0].note), class_="soft") if there[0].note else Markup("")
    return element("section", element("h2", text(there[0].title)), note, element("div", *made, class_="pair"))
