"""Pages as a real browser lays them out: on a screen, on a phone, in the dark and on paper."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, browser
from made import START, Sender

from gryphon.controller.errors import EnvironmentFault
from gryphon.sender.report.page import one_page, two_pages
from gryphon.sender.report.server import Counters

PNG = b"\x89PNG\r\n\x1a\n"
SIZES = [375, 1280]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Skips where there is no chromium, saying so; on a CI machine that is a failure."""
    try:
        with browser() as running:
            yield running
    except EnvironmentFault as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    good, bad = Sender(1).seconds(30), Sender(2).seconds(15).seconds(200, failing=True)
    address = "2001:db8:1234:5678:9abc:def0:1234:5678"
    example = {"kind": "other_content", "address": address, "port": 65000, "user": 1, "loop": 0, "session": 99}
    example |= {"message": 12, "time_s": 1.0, "bytes": 1, "recorded_bytes": 123_456_789, "begins": "x" * 200}
    first = good.document()
    second = bad.document(command=["gryphon", "send", "-f", "a" * 300], examples=[example])
    files = [
        Counters("server.csv", [START.timestamp() + i for i in range(60)], {"n" * 80: [float(i) for i in range(60)]})
    ]
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "good": one_page(first),
        "bad": one_page(second, files, ["A note of some length, which says what a reader has to know. " * 4]),
        "short": one_page(Sender(3).seconds(1).document()),
        "compared": two_pages([first, second], ["first-result-with-a-long-name.json" * 3, "second.json"], files),
    }
    for name, page in made.items():
        (folder / f"{name}.html").write_text(page)
    return {name: folder / f"{name}.html" for name in made}


NAMES = ["good", "bad", "short", "compared"]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole_without_script_network_or_complaint(
    chromium: Browser, pages: dict[str, Path], name: str
) -> None:
    chromium.show(1280)
    chromium.open(pages[name])
    assert chromium.evaluate("document.querySelectorAll('svg').length") >= 10
    assert chromium.evaluate("getComputedStyle(document.querySelector('svg .line')).strokeWidth") == "1.8px"
    assert chromium.complaints == []
    assert chromium.requested == [pages[name].as_uri()]


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_sticks_out_at_any_width(chromium: Browser, pages: dict[str, Path], name: str, width: int) -> None:
    chromium.show(width)
    chromium.open(pages[name])
    chromium.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert chromium.evaluate("document.documentElement.scrollWidth") == width
    beyond = f"""[...document.querySelectorAll('body *')].filter(e => !e.closest('.wide') &&
        e.getBoundingClientRect().right > {width} + 0.5).map(e => e.tagName + '.' + e.className).join()"""
    assert chromium.evaluate(beyond) == ""


@pytest.mark.parametrize("width", SIZES)
def test_text_in_figures_is_as_large_as_can_be_read(chromium: Browser, pages: dict[str, Path], width: int) -> None:
    chromium.show(width)
    chromium.open(pages["bad"])
    smallest = """Math.min(...[...document.querySelectorAll('svg')].map(svg =>
        svg.getBoundingClientRect().width / 420 * parseFloat(getComputedStyle(svg.querySelector('text')).fontSize)))"""
    assert chromium.evaluate(smallest) >= 9


@pytest.mark.parametrize("width", SIZES)
def test_labels_on_axes_do_not_run_into_each_other(chromium: Browser, pages: dict[str, Path], width: int) -> None:
    chromium.show(width)
    chromium.open(pages["compared"])
    touching = """[...document.querySelectorAll('svg')].flatMap(svg => {
        const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
        return boxes.flatMap(([a, x], i) => boxes.slice(i + 1).filter(([b, y]) =>
            x.left < y.right - 1 && y.left < x.right - 1 && x.top < y.bottom - 4 && y.top < x.bottom - 4
        ).map(([b]) => svg.getAttribute('aria-label').slice(0, 20) + ': ' + a + ' ' + b));
    }).join()"""
    assert chromium.evaluate(touching) == ""


COLOURS = """JSON.stringify([getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,
    getComputedStyle(document.querySelector('svg .line')).stroke])"""


def brightness(colour: str) -> float:
    red, green, blue = (int(number) for number in re.findall(r"\d+", colour)[:3])
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_the_dark_has_colours_of_its_own(chromium: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    chromium.open(pages["bad"])
    seen = {}
    for dark in (False, True):
        chromium.show(1280, dark=dark)
        seen[dark] = re.findall(r"rgb\([^)]*\)", chromium.evaluate(COLOURS))
        chromium.picture(tmp_path / f"{dark}.png")
    for light, dim in zip(seen[False], seen[True], strict=True):
        assert light != dim
    assert brightness(seen[False][0]) > 200 > brightness(seen[False][1])
    assert brightness(seen[True][0]) < 60 < 180 < brightness(seen[True][1])
    assert (tmp_path / "False.png").read_bytes() != (tmp_path / "True.png").read_bytes()


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_a_picture_can_be_taken(
    chromium: Browser, pages: dict[str, Path], tmp_path: Path, name: str, width: int
) -> None:
    chromium.show(width)
    chromium.open(pages[name])
    chromium.picture(tmp_path / "page.png")
    data = (tmp_path / "page.png").read_bytes()
    assert data.startswith(PNG)
    assert int.from_bytes(data[16:20], "big") == width
    assert int.from_bytes(data[20:24], "big") > 1000


def test_paper_is_white_also_for_who_reads_in_the_dark(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["bad"])
    chromium.show(794, dark=True, media="print")
    assert brightness(re.findall(r"rgb\([^)]*\)", chromium.evaluate(COLOURS))[1]) < 60
    assert chromium.evaluate("document.documentElement.scrollWidth") == 794


@pytest.mark.parametrize("name", NAMES)
def test_a_page_prints(chromium: Browser, pages: dict[str, Path], name: str) -> None:
    chromium.open(pages[name])
    chromium.show(1280)
    pdf = chromium.pdf()
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 2


def test_what_is_folded_on_the_screen_is_open_on_paper(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["good"])
    height = "document.querySelector('details').getBoundingClientRect().height"
    chromium.show(794)
    assert chromium.evaluate(height) < 60
    chromium.show(794, media="print")
    assert chromium.evaluate(height) > 200
