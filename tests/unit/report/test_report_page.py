"""A page has what a result has, whatever a file put there stays text, and it is small."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import EXAMPLE, START, Sender, document

from gryphon.sender.report.change import change
from gryphon.sender.report.fit import misfits
from gryphon.sender.report.load import Document
from gryphon.sender.report.markup import element, text
from gryphon.sender.report.merge import merge_results
from gryphon.sender.report.page import one_page, two_pages
from gryphon.sender.report.server import Counters
from gryphon.sender.results.thresholds import load_schema
from gryphon.sender.results.verdict import Ending

LIMIT = 200_000
EVIL = "\"'><script>alert(1)</script><img src=http://10.0.0.1/x onerror=alert(1)>&amp;\0\ud800\u202e</style></title>"


class Outline(HTMLParser):
    """What a browser would find: elements, their attributes, and text; fails where elements are not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture(scope="module")
def failing() -> Document:
    return Sender(2).seconds(5).seconds(5, failing=True).document()


def test_verdict_command_and_environment_stand_above_the_figures(failing: Document) -> None:
    said = Outline(one_page(failing)).text
    head = said[: said.index("Users")]
    for word in (
        "FAILED",
        "failed>1%",
        "my",
        "capture.pcap",
        "A Processor",
        "Linux 6.1",
        "2026-03-01 12:00:05.250 UTC",
    ):
        assert word in head, word


def test_every_figure_is_there_with_alternative_text(failing: Document) -> None:
    outline = Outline(one_page(failing))
    labels = [value or "" for name, value in outline.attributes if name == "aria-label"]
    for title in (
        "Users",
        "Sessions",
        "Packets",
        "Messages",
        "Payload",
        "Response, from when due",
        "Response, from when sent",
        "Failures by reason",
        "Packet sizes",
        "Lateness of gryphon",
        "Response by percentile",
        "Connecting by percentile",
    ):
        assert any(label.startswith(f"{title}, ") for label in labels), title
    assert outline.names.count("svg") == sum(
        1 for name, value in outline.attributes if (name, value) == ("role", "img")
    )


def test_counts_are_those_of_the_result(failing: Document) -> None:
    said = Outline(one_page(failing)).text
    assert f"packets sent {failing['packets']['sent']:,}" in said
    assert "timeout 10.17.15.7:33000 3.250 s session 2, message 1" in said


def test_a_page_asks_for_nothing_from_outside(failing: Document) -> None:
    for page in (one_page(failing), two_pages([failing, failing], ["a.json", "b.json"])):
        assert not re.search(r"https?:|//|@import|url\(|<script|<link|<img", page.replace("http-equiv", ""))


def test_a_run_in_which_nobody_failed_says_so() -> None:
    said = Outline(one_page(Sender().seconds(3).document())).text
    assert "PASSED" in said
    assert "No session failed." in said


def test_a_figure_in_which_nothing_happened_has_a_word_and_no_axes() -> None:
    nothing = Sender().seconds(3).document()
    for row in nothing["series"]:
        row["bytes_sent"] = row["bytes_received"] = 0
    outline = Outline(one_page(nothing))
    assert "Payload bytes per second None in this run." in outline.text
    assert not any((value or "").startswith("Payload, ") for name, value in outline.attributes if name == "aria-label")


def test_words_in_tables_stand_to_the_left_and_numbers_to_the_right(failing: Document) -> None:
    page = one_page(failing)
    assert '<td class="words">broken</td>' in page
    assert '<th scope="col" class="words">where</th>' in page
    assert re.search(r"<td>[\d,]+</td>", page)


def test_a_user_that_failed_at_once_failed_before_its_first_message(failing: Document) -> None:
    failing["examples"][0]["message"] = 0
    assert "session 2, before its first message" in Outline(one_page(failing)).text


@pytest.mark.parametrize("ending", list(Ending))
def test_a_run_of_which_nothing_came_makes_a_page_too(ending: Ending) -> None:
    nothing = document(ending=ending, examples=[], rejected={}, http_status={}, fail_if="none")
    assert "0 of them" in Outline(one_page(nothing)).text
    assert "Before and after" in Outline(two_pages([nothing, nothing], ["a", "b"])).text


def evil() -> Document:
    made = (
        Sender(3)
        .seconds(3, failing=True)
        .document(
            version=EVIL,
            command=["gryphon", EVIL],
            config={EVIL: EVIL, "files": [EVIL], "nested": {"a": [EVIL]}},
            rejected={EVIL: 3},
            transmit={"way": "raw", "devices": [EVIL]},
            host={"kernel": EVIL, "cpu": EVIL, "cores": 2, "memory_bytes": None, "python": EVIL},
            examples=[{**EXAMPLE, "kind": EVIL, "address": EVIL, "begins": EVIL, "bytes": 1, "recorded_bytes": 2}],
        )
    )
    made["http_status"] = {EVIL: 1}
    made["users"]["failed"]["timeout"] = 1
    made["series"][0]["failed_by"] = {EVIL: 3}
    return made


def test_whatever_stands_in_a_file_stays_text() -> None:
    files = [Counters(EVIL, [START.timestamp() + 1], {EVIL: [1.0]})]
    for page in (one_page(evil(), files, [EVIL]), two_pages([evil(), evil()], [EVIL, EVIL], files)):
        outline = Outline(page)
        assert not {"script", "img", "iframe", "object"} & set(outline.names)
        assert not [name for name, _ in outline.attributes if name.startswith("on") or name in ("src", "href")]
        assert "alert(1)" in outline.text
        assert not re.search("[\0\ud800\u202e]", page)
        page.encode()


def test_markup_is_made_of_escaped_text() -> None:
    assert element("p", text("a<b"), class_='x"y') == '<p class="x&quot;y">a&lt;b</p>'
    assert text("x" * 3000, 10) == "xxxxxxxxxx ..."


def test_pages_are_small_however_long_the_runs_were() -> None:
    long = [Sender(seed).seconds(1800, failing=True).document(examples=[EXAMPLE] * 50) for seed in (1, 2)]
    times = [START.timestamp() + second for second in range(1800)]
    columns = {f"column_{i}": [float((i * 7919 + second * 104729) % 9973) for second in range(1800)] for i in range(12)}
    files = [Counters("server.csv", times, columns)]
    for page in (one_page(long[0], files), two_pages(long, ["a", "b"], files), one_page(merge_results(long))):
        assert len(page.encode()) < LIMIT


SMALL = Sender(4).seconds(2, failing=True).document()
NUMBERS = st.sampled_from([0, 1, 7, 10**6, 2**53, None, 0.5, 1e-9, 9e15])


def spoiled(value: Any, draw: Any) -> Any:
    """The same with some of its numbers replaced."""
    if isinstance(value, dict):
        return {key: spoiled(inner, draw) for key, inner in value.items()}
    if isinstance(value, list):
        return [spoiled(inner, draw) for inner in value]
    if isinstance(value, int | float) and not isinstance(value, bool) and draw(st.integers(0, 20)) == 0:
        return draw(NUMBERS)
    return value


@settings(max_examples=60)
@given(st.data())
def test_any_result_that_fits_the_schema_makes_a_page(data: Any) -> None:
    made = spoiled(json.loads(json.dumps(SMALL)), data.draw)
    for i, row in enumerate(made["series"]):
        row["time_s"] = i + 1.5  # in order, as load sees to it
    if next(misfits(made, load_schema()), None) is None:
        Outline(one_page(made))
        Outline(two_pages([made, SMALL], ["a", "b"]))


@pytest.mark.parametrize(
    ("old", "new", "better", "said"),
    [
        (10, 10, -1, ("none", "")),
        (10, 10.9, -1, ("+9.0 %", "")),
        (10, 15, -1, ("+50.0 %, worse", "worse")),
        (10, 5, -1, ("-50.0 %, better", "better")),
        (10, 0, -1, ("-100.0 %, better", "better")),
        (10, 40, 1, ("x 4, better", "better")),
        (10, 40, 0, ("x 4", "")),
        (0, 3, -1, ("new, worse", "worse")),
        (0, 3, 0, ("new", "")),
        (None, 3, -1, ("", "")),
    ],
)
def test_changes_are_marked_for_better_or_worse(old: Any, new: Any, better: int, said: tuple[str, str]) -> None:
    assert change(old, new, better) == said
