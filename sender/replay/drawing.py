"""The page about the users' TCP, docs/tcp.md, as far as it is drawn from the table of states: a diagram and the table.

``python -m gryphon.sender.replay.drawing docs/tcp.md`` draws both anew, between the page's marks.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gryphon.sender.replay.transitions import TRANSITIONS, State

_BEGIN, _END = "<!-- drawn from transitions.py: begin -->", "<!-- drawn from transitions.py: end -->"


def diagram() -> str:
    """The table as a state diagram of Mermaid; events that lead from one state to the same other share an arrow."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for state, event, following, _ in TRANSITIONS:
        arrows.setdefault((state, following), []).append(event.name)
    lines = [
        f"    {state.name} --> {following.name}: {' or '.join(events)}" for (state, following), events in arrows.items()
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {State.IDLE.name}", *lines, "```"])


def table() -> str:
    """The table as one of Markdown."""
    rows = [
        f"| `{state.name}` | `{event.name}` | `{following.name}` | {sentence} |"
        for state, event, following, sentence in TRANSITIONS
    ]
    return "\n".join(["| state | event | next | why |", "|---|---|---|---|", *rows])


def draw(page: str) -> str:
    """The page with what stands between its marks drawn anew; ``ValueError`` when it has not exactly one of each."""
    if page.count(_BEGIN) != 1 or page.count(_END) != 1:
        raise ValueError(f"the page needs one line {_BEGIN} and one line {_END}")
    before, _, rest = page.partition(_BEGIN)
    _, _, behind = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{diagram()}\n\n{table()}\n\n{_END}{behind}"


def main() -> None:
    """Draw the page that the command line names."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m gryphon.sender.replay.drawing docs/tcp.md")
    path = Path(sys.argv[1])
    path.write_text(draw(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
