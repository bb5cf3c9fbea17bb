"""Every wrong rule is refused with one sentence that names it and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded import applied, recording, rules

from gryphon.controller.errors import InputFault
from gryphon.sender.rules.parse import read_rules

GET = b"GET /x?id=abc HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
OK = "match = 'id=(\\w+)'\nvalue = 'user'\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "have no rule: write a [[field]]"),
        ("# all of it is a comment\nfield = []\n", "have no rule: write a [[field]]"),
        ("[[feild]]\n", "feild is not known"),
        ("field = 3", "under [[field]]"),
        ("[[field]", "not TOML"),
        ("[[field]]\nmatch = 'x'", "value is missing"),
        ("[[field]]\nvalue = 'user'", "say where the field is"),
        ("[[field]]\nvalue = 'user'\noffset = 2", "say where the field is"),
        ("[[field]]\nvalue = 'user'\nmatch = 'x'\noffset = 2\nlength = 1", "say where the field is"),
        (f"[[field]]\n{OK}colour = 'red'", "colour is not known"),
        ("[[field]]\nmatch = '('\nvalue = 'user'", "not a regular expression"),
        ("[[field]]\nmatch = 'x'\nvalue = 'users'", 'value = "users"'),
        ("[[field]]\nmatch = 'x'\nvalue = 'csv:file'", "csv:FILE:COLUMN"),
        (f"[[field]]\n{OK}width = 0", "width = 0"),
        (f"[[field]]\n{OK}width = true", "width = true"),
        ("[[field]]\nmatch = 'x'\nvalue = 'random'\nwidth = 'any'", "is for user and csv"),
        (f"[[field]]\n{OK}width = 'any'\npad = 'x'", "pad has no use"),
        (f"[[field]]\n{OK}pad = 'ab'", "one ASCII character"),
        (f"[[field]]\n{OK}align = 'middle'", "left or right"),
        (f"[[field]]\n{OK}alphabet = 'a-z'", "alphabet is of random text"),
        ("[[field]]\nmatch = 'x'\nvalue = 'random'\nalphabet = 'z-a'", "runs backwards"),
        ("[[field]]\nmatch = 'x'\nvalue = 'random'\nstart = 1", "start is added"),
        (f"[[field]]\n{OK}service = 0", "service = 0"),
        (f"[[field]]\n{OK}message = 0", "message = 0"),
        (f"[[field]]\n{OK}cut = 'no'", "true or false"),
        (f"[[field]]\n{OK}lengths = 'mqtt'", "is a list"),
        (f"[[field]]\n{OK}lengths = ['smtp']", "lengths has"),
        (f"[[field]]\n{OK}lengths = [{{offset = 2}}]", "number of bytes"),
        (f"[[field]]\n{OK}lengths = [{{offset = 2, bytes = 9}}]", "bytes = 9"),
        (f"[[field]]\n{OK}lengths = [{{offset = 2, bytes = 2, sign = 1}}]", "sign is not known"),
        ("[[field]]\nmatch = 'x'\nvalue = 'extract:t'", "no [[extract]] defines"),
        ("[[extract]]\nafter = 'x'", "name is missing"),
        ("[[extract]]\nname = 't'\nlength = 256", "length = 256"),
        ("[[extract]]\nname = 't'\nuntil = ''", "until is empty"),
        ("[[extract]]\nname = 't'\nafter = 'token='\nwithin = 6", "within = 6"),
        ("[[extract]]\nname = 't'\n[[extract]]\nname = 't'", "is taken"),
        ("[[extract]]\nname = 't'", 'extract 1, line 1: no field uses "t": give one the value "extract:t"'),
        (f"[[field]]\n{OK}[[extract]]\nname = 't'", "extract 1, line 4: no field uses"),
        ("[[stamp]]\nunit = 'us'", "after is missing"),
        ("[[stamp]]\nafter = ''", "after is missing"),
        ("[[stamp]]\nafter = 't='\nunit = 'min'", "s or ms or us or ns"),
        ("[[stamp]]\nafter = 't='\nwithin = 2", "within = 2"),
        ("[[stamp]]\nafter = 't='\nwithin = 65536", "within = 65536"),
        ("[[stamp]]\nafter = 't='\nservice = 0", "service = 0"),
        ("[[stamp]]\nafter = 't='\nmessage = 1", "message is not known"),
        ("stamp = 3", "under [[stamp]]"),
    ],
)
def test_a_wrong_rule_is_refused_when_it_is_read(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputFault) as fault:
        rules(text, tmp_path)
    assert said in str(fault.value)
    assert "users.toml" in str(fault.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[field]]\nmatch = 'nothing'\nvalue = 'user'", "matches no message"),
        ("[[field]]\noffset = 900\nlength = 1\nvalue = 'user'", "matches no message"),
        (f"[[field]]\n{OK}message = 3", "matches no message"),
        (f"[[field]]\n{OK}service = 81", "no recorded port 81"),
        ("[[field]]\nmatch = 'q*'\nvalue = 'user'", "fits where there is nothing"),
        ("[[field]]\nmatch = 'id()='\nvalue = 'user'", "give width"),
        (f"[[field]]\n{OK}[[field]]\nmatch = 'abc'\nvalue = 'random'", "overlaps that of"),
        (f"[[field]]\n{OK}cut = false\nwidth = 2", "have 3 digits"),
        ("[[field]]\nmatch = 'abc'\nvalue = 'csv:none.csv:a'", "cannot be read"),
        ("[[field]]\nmatch = 'abc'\nvalue = 'csv:c.csv:b'", "has no column b"),
        ("[[field]]\nmatch = 'abc'\nvalue = 'csv:empty.csv:a'", "no line below"),
        ("[[field]]\nmatch = 'abc'\nvalue = 'csv:c.csv:a'\ncut = false", "line 3 of"),
        (
            "[[field]]\nmatch = 'abc'\nvalue = 'extract:t'\ncut = false\n[[extract]]\nname = 't'",
            "may have 64 bytes",
        ),
        (f"[[field]]\n{OK}width = 9\nlengths = ['mqtt']", "no mqtt length counts"),
        (f"[[field]]\n{OK}width = 9\nlengths = ['redis']", "no redis length counts"),
        (f"[[field]]\n{OK}lengths = ['redis']", "no redis length counts what it matches: take it out"),
        (f"[[field]]\n{OK}width = 'any'\nlengths = ['content-length', 'mqtt']", "no mqtt length counts"),
        (f"[[field]]\n{OK}lengths = [{{offset = 34, bytes = 2}}]", "has offset 34 and 2 bytes, what it matches is"),
        (f"[[field]]\n{OK}width = 900\nlengths = [{{offset = 0, bytes = 1}}]", "cannot follow"),
        (f"[[field]]\n{OK}width = 9\nlengths = [{{offset = 90, bytes = 1}}]", "has offset 90"),
        (
            "[[field]]\nmessage = 2\nmatch = '\\n\\r\\na'\nvalue = 'user'\nwidth = 9\nlengths = ['content-length']",
            "crosses the edge",
        ),
    ],
)
def test_a_rule_that_does_not_fit_the_recording_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("a\nx\nlonger\n")
    (tmp_path / "empty.csv").write_text("a\n")
    with pytest.raises(InputFault) as fault:
        applied(recording([GET, POST]), rules(text, tmp_path), 200)
    assert said in str(fault.value)
    assert "users.toml, " in str(fault.value)


def test_sessions_of_any_width_that_come_to_more_than_a_gibibyte_are_refused(tmp_path: Path) -> None:
    wanted = rules(f"[[field]]\n{OK}width = 'any'", tmp_path)
    with pytest.raises(InputFault, match="at most 1 GiB"):
        applied(recording([GET]), wanted, 10_000_000)


def test_a_fault_names_the_rules_number_and_line(tmp_path: Path) -> None:
    with pytest.raises(InputFault, match=r"users.toml, field 2, line 4: width = 0"):
        rules(f"[[field]]\n{OK}[[field]]\n{OK}width = 0", tmp_path)


def test_a_stamp_is_of_microseconds_within_256_bytes_unless_told_otherwise(tmp_path: Path) -> None:
    plain, other = rules(
        "[[stamp]]\nafter = '\"ts\":'\n[[stamp]]\nservice = 1883\nafter = 't='\nunit = 'ns'\nwithin = 64", tmp_path
    ).stamps
    assert (plain.service, plain.after, plain.unit, plain.within) == (None, b'"ts":', "us", 256)
    assert (other.service, other.after, other.unit, other.within) == (1883, b"t=", "ns", 64)


def test_a_short_rule_is_a_field_of_one_port() -> None:
    (rule,) = read_rules(None, ["1883/2:a=(\\w+)=csv:dir:x.csv:name"]).fields
    assert (rule.service, rule.message) == (1883, 2)
    assert rule.match is not None
    assert rule.match.pattern == b"a=(\\w+)"
    assert (str(rule.value.file), rule.value.column) == ("dir:x.csv", "name")


@pytest.mark.parametrize("text", ["1883", "1883:x", "1883:x=nobody", ":x=user", "a:x=user"])
def test_a_wrong_short_rule_is_refused(text: str) -> None:
    with pytest.raises(InputFault, match=r"write PORT\[/MESSAGE\]"):
        read_rules(None, [text])
