"""docs/tcp.md shows the code's own table of states, as a diagram and as a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from gryphon.sender.replay import drawing
from gryphon.sender.replay.drawing import diagram, draw, main
from gryphon.sender.replay.transitions import TRANSITIONS, Event, State

PAGE = Path(__file__).parents[3] / "docs" / "tcp.md"


def test_the_page_is_as_the_table_draws_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == draw(page), "draw it anew: .venv/bin/python -m gryphon.sender.replay.drawing docs/tcp.md"


def test_the_diagram_has_every_transition_once_and_no_other() -> None:
    begin, kind, first, *arrows, end = diagram().splitlines()
    assert (begin, kind, first.split(), end) == ("```mermaid", "stateDiagram-v2", ["[*]", "-->", "IDLE"], "```")
    drawn = []
    for arrow in arrows:
        ends, events = arrow.split(": ")
        state, following = ends.split(" --> ")
        drawn += [(State[state.strip()], Event[event], State[following]) for event in events.split(" or ")]
    assert sorted(drawn) == sorted(row[:3] for row in TRANSITIONS)


def test_another_table_is_another_page(monkeypatch: pytest.MonkeyPatch) -> None:
    page = PAGE.read_text(encoding="utf-8")
    monkeypatch.setattr(drawing, "TRANSITIONS", TRANSITIONS[1:])
    assert draw(page) != page


def test_what_stands_around_the_marks_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begin, *_, end = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("<!-- drawn")]
    path = tmp_path / "page.md"
    path.write_text(f"above\n{begin}\nold\n{end}\nbelow\n")
    monkeypatch.setattr("sys.argv", ["drawing", str(path)])
    main()
    drawn = path.read_text()
    assert drawn.startswith(f"above\n{begin}\n\n{diagram()}\n")
    assert drawn.endswith(f"\n{end}\nbelow\n")
    assert "old" not in drawn
    assert [draw(drawn), draw(draw(drawn))] == [drawn] * 2


@pytest.mark.parametrize("marks", [(), (0,), (1,), (0, 0, 1)])
def test_a_page_without_one_pair_of_marks_is_refused(marks: tuple[int, ...]) -> None:
    both = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("<!-- drawn")]
    with pytest.raises(ValueError, match="needs one line"):
        draw("\n".join(both[mark] for mark in marks))
