"""What is read of the answers: the options, the rules, and the sample that they need."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from gryphon.controller.errors import InputFault
from gryphon.sender.intercepts import Place
from gryphon.sender.replay.verify import Verify
from gryphon.sender.replay.wanted import ANY, Purpose, Wanted
from gryphon.sender.rules.parse import read_rules
from gryphon.sender.verification import STATUS_BYTES, compile_wants, needed_sample, parse_verify

LOCAL = Place(hook="xdp", interface="eth0")
REMOTE = Place("10.0.0.1", 36524)
FIELD = "[[field]]\nmatch = 'x'\nvalue = 'extract:b'\n"
FIELDS = FIELD + FIELD.replace("extract:b", "extract:a")
EXTRACTS = "[[extract]]\nname = 'a'\nwithin = 40\n[[extract]]\nname = 'b'\nafter = 'b='\nservice = 80\nmessage = 3\n"


def _wanted(text: str, directory: Path) -> Wanted:
    path = directory / "rules.toml"
    path.write_text(text)
    return compile_wants(read_rules(str(path), []), {25: 0, 80: 1})


def test_statuses_are_read_by_default_where_no_intercept_has_to_be_started_anew() -> None:
    assert parse_verify(None, [], [LOCAL]) == Verify(STATUS_BYTES)
    assert parse_verify(None, [], [REMOTE]) == Verify()
    assert parse_verify(None, [], [LOCAL, REMOTE]) == Verify()


def test_bytes_are_of_every_protocol_and_off_is_off() -> None:
    assert parse_verify("64", [], [REMOTE]) == Verify(64, True)
    assert parse_verify("off", [], [LOCAL]) == Verify()


def test_what_is_ignored_is_a_pattern_over_bytes_that_lines_do_not_end() -> None:
    (pattern,) = parse_verify("64", ["id=.*"], [LOCAL]).ignore
    found = pattern.search(b"x id=\xff\ny")
    assert found is not None
    assert found.span() == (2, 8)


@pytest.mark.parametrize("text", ["0", "1025", "-1", "all", "1.5", "", "64B"])
def test_what_is_no_number_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(
        InputFault, match=r"--verify .*: give the first bytes of answers to compare, 1 to 1,024, or off"
    ):
        parse_verify(text, [], [LOCAL])


@pytest.mark.parametrize("text", [None, "off"])
def test_ignoring_where_nothing_is_compared_is_refused(text: str | None) -> None:
    with pytest.raises(InputFault, match="say with --verify how many"):
        parse_verify(text, ["x"], [LOCAL])


def test_a_wrong_pattern_is_refused() -> None:
    with pytest.raises(InputFault, match=r"--ignore \( is not a regular expression"):
        parse_verify("64", ["("], [LOCAL])


def test_an_empty_pattern_is_refused() -> None:
    with pytest.raises(InputFault, match="--ignore '' matches nothing: give a regular expression"):
        parse_verify("64", ["x", ""], [LOCAL])


def test_rules_become_columns_slots_in_their_order(tmp_path: Path) -> None:
    stamp = "[[stamp]]\nafter = 'ts='\nunit = 'ms'\nservice = 25\nwithin = 99\n"
    wanted = _wanted(FIELDS + EXTRACTS + stamp, tmp_path)
    rows = wanted.rows
    assert rows["purpose"].tolist() == [Purpose.VALUE, Purpose.VALUE, Purpose.TIME]
    assert rows["target"].tolist() == [ANY, 1, 0]
    assert rows["message"].tolist() == [0, 3, 0]
    assert rows["within"].tolist() == [40, 256, 99]
    assert rows["slot"].tolist()[:2] == [0, 1]
    texts = wanted.texts.tobytes()
    after = [texts[int(row["after"]) : int(row["after"]) + int(row["after_length"])] for row in rows]
    assert after == [b"", b"b=", b"ts="]
    assert texts[int(rows[1]["until"]) :][: int(rows[1]["until_length"])] == b' \t\r\n\v\f;,"'


@pytest.mark.parametrize(("unit", "scale"), [("s", 1e6), ("ms", 1e3), ("us", 1), ("ns", 1e-3)])
def test_a_stamp_counts_in_its_unit(unit: str, scale: float, tmp_path: Path) -> None:
    wanted = _wanted(f"[[stamp]]\nafter = 't='\nunit = '{unit}'", tmp_path)
    assert math.isclose(float(wanted.rows["scale"][0]), scale)


@pytest.mark.parametrize("table", ["extract", "stamp"])
def test_a_rule_for_a_server_that_is_not_replayed_is_refused(table: str, tmp_path: Path) -> None:
    more = FIELD.replace("extract:b", "extract:c") if table == "extract" else ""
    text = f"{FIELD}{more}[[extract]]\nname = 'b'\n[[{table}]]\nname = 'c'\nafter = 'x'\nservice = 81\n"
    with pytest.raises(InputFault, match=rf"{table} \d, line \d+: no transfer of -x is from port 81"):
        _wanted(text if table == "extract" else text.replace("[[stamp]]\nname = 'c'", "[[stamp]]"), tmp_path)


def test_the_sample_is_the_most_that_anything_needs(tmp_path: Path) -> None:
    wanted = _wanted(FIELDS + EXTRACTS, tmp_path)
    assert needed_sample(Verify(), Wanted()) == 0
    assert needed_sample(Verify(17), Wanted()) == 24
    assert needed_sample(Verify(64), wanted) == 256
    assert needed_sample(Verify(300), wanted) == 304


def test_a_rule_that_looks_further_than_any_intercept_samples_is_refused(tmp_path: Path) -> None:
    wanted = _wanted("[[stamp]]\nafter = 't='\nwithin = 1025", tmp_path)
    with pytest.raises(InputFault, match=r"first 1,025 bytes .* at most 1,024: lower its within"):
        needed_sample(Verify(), wanted)
