"""Counters of the server: read from CSV, put on the run's clock, and refused with the line that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from made import START, Sender

from gryphon.controller.errors import InputFault
from gryphon.sender.report.server import check_times, read_counters, server_figures

AT = START.timestamp()
DOCUMENT = Sender().seconds(10).document()


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "server.csv"
    path.write_text(text)
    return str(path)


def test_values_are_shown_at_their_time_of_the_run(tmp_path: Path) -> None:
    file = read_counters(
        written(tmp_path, f"time,active\n{AT - 5},1\n{AT + 1},3\n{AT + 2},\n{AT + 4},7\n{AT + 99},8\n")
    )
    (figure,) = server_figures(DOCUMENT, [file], 100)
    assert (figure.title, figure.lines[0].ys) == ("active", [3, 7])
    assert [round(x, 3) for x in figure.lines[0].xs] == [1, 4]


def test_what_only_grows_is_shown_as_a_rate_and_a_restart_is_no_negative_one(tmp_path: Path) -> None:
    lines = "".join(f"{AT + i},{n}\n" for i, n in enumerate([100, 110, 130, 0, 5]))
    file = read_counters(written(tmp_path, "time,requests_total\n" + lines))
    (figure,) = server_figures(DOCUMENT, [file], 100)
    assert ([round(y or 0, 2) for y in figure.lines[0].ys], figure.unit) == ([10, 20, 5], "per second")


def test_times_may_be_written_out(tmp_path: Path) -> None:
    file = read_counters(written(tmp_path, "time,a\n2026-03-01T12:00:06.25Z,4\n2026-03-01T13:00:07.25+01:00,5\n"))
    (figure,) = server_figures(DOCUMENT, [file], 100)
    assert figure.lines[0].xs == [1, 2]


def test_many_lines_are_thinned_and_keep_their_peak(tmp_path: Path) -> None:
    lines = "".join(f"{AT + i / 1000},{9 if i == 5555 else 1}\n" for i in range(10_000))
    file = read_counters(written(tmp_path, "time,a\n" + lines))
    (figure,) = server_figures(DOCUMENT, [file], 100)
    assert len(figure.lines[0].xs) <= 100
    assert figure.highest() == 9


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "give a line of names"),
        ("time\n1\n", "give a line of names"),
        ("time,a\n", "give a line of names"),
        ("time,a\n1,2,3\n", "line 2 has 3 columns, and the first one 2"),
        ("time,a\n1,2\n2,many\n", "line 3 has 'many' for a number"),
        ("time,a\n1,nan\n", "line 2 has 'nan', which is no number of a counter"),
        ("time,a\nnoon,1\n", "line 2 has 'noon' for a time: write seconds since 1970"),
        ("time,a,a\n1,2,3\n", "each with its own name"),
        ("time" + "".join(f",c{i}" for i in range(13)) + "\n1" + ",1" * 13 + "\n", "at most 12 columns"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputFault, match=sentence):
        read_counters(written(tmp_path, text))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputFault, match="No such file"):
        read_counters(str(tmp_path / "none.csv"))
    (tmp_path / "server.csv").write_bytes(b"time,a\n1,\xff\xfe\n")
    with pytest.raises(InputFault, match="cannot be read as CSV"):
        read_counters(str(tmp_path / "server.csv"))


def test_a_file_of_another_time_is_refused(tmp_path: Path) -> None:
    file = read_counters(written(tmp_path, f"time,a\n{AT + 3600},1\n"))
    with pytest.raises(InputFault, match=r"has nothing from 2026-03-01T12:00:05.250Z on, the time of the run"):
        check_times([DOCUMENT], [file])
