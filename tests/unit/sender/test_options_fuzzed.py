"""Whatever an option, a rules file or a configuration says: it is taken, or refused with a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tomli_w
import typer
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gryphon.controller.errors import InputFault
from gryphon.controller.listen import parse_listen
from gryphon.controller.policy import parse_network, parse_service
from gryphon.controller.tls import parse_fingerprints
from gryphon.controller.window import parse_window
from gryphon.intercept.options import check_allowance
from gryphon.sender import cli
from gryphon.sender.config import read_config
from gryphon.sender.intercepts import parse_places
from gryphon.sender.options import parse_hold, parse_speed, parse_trace_users
from gryphon.sender.ranges import parse_pool
from gryphon.sender.results.thresholds import parse_all
from gryphon.sender.rules.parse import read_rules
from gryphon.sender.schedule import parse_duration, parse_loops, parse_ramp, parse_rate, seconds
from gryphon.sender.transfers import parse_ports, parse_transfers
from gryphon.sender.verification import parse_verify

PARSERS: dict[str, Callable[[str], object]] = {
    "-x": parse_transfers,
    "--ports": parse_ports,
    "-c": parse_pool,
    "-s": lambda text: parse_places(text, 36524),
    "-i": parse_rate,
    "--ramp": parse_ramp,
    "-a": parse_speed,
    "--hold": parse_hold,
    "--loops": lambda text: parse_loops(text, None),
    "--duration": parse_duration,
    "--settle": lambda text: seconds(text, "--settle"),
    "--trace-users": parse_trace_users,
    "--fail-if": lambda text: parse_all([text]),
    "--field": lambda text: read_rules(None, [text]),
    "--verify": lambda text: parse_verify(text, [], []),
    "--ignore": lambda text: parse_verify("64", [text], []),
    "--tls-fingerprint": parse_fingerprints,
    "--window": parse_window,
    "--listen": lambda text: parse_listen("--listen", text),
    "--allow-ranges": parse_network,
    "--allow-services": parse_service,
}

SOUND = (
    *(
        "80-10.16.15.118:80",
        "80-[fd00::118]:80,443-10.16.15.118:8443",
        "10.17.15.*",
        "10.17.*.*",
        "10.17.0.0/16",
        "fd00:17::/64",
    ),
    *(
        "10.16.15.118:36524",
        "[fd00::1]:99",
        "xdp:eth0",
        "tc:eth0",
        "1000",
        "max",
        "0:100,60s:1000",
        "90s",
        "1.5m",
        "forever",
    ),
    *(
        "p99>200ms",
        "failed>1%",
        "1883/1:mosq-(\\w+)=user",
        "80:a(b)=csv:x.csv:2",
        "0,17",
        "off",
        "22:00-06:00",
        ":36524",
    ),
)
LETTERS = "0123456789.:,-/*x[]()%+=<>\\ \t\nemasdhkfpiny_#'\"é\u0661\u00b2\x00\ud800"


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Sound ones with a few letters put in, taken out or doubled; or any letters."""
    text = draw(st.one_of(st.sampled_from(SOUND), st.text(LETTERS, max_size=30)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.text(LETTERS, max_size=2)) + text[at + draw(st.integers(0, 2)) :]
    return text * draw(st.sampled_from((1, 1, 1, 1, 50, 5000)))


@st.composite
def networks(draw: st.DrawFn) -> str:
    """A range as -c has it."""
    if draw(st.booleans()):
        bits = draw(st.integers(8, 32))
        address = draw(st.integers(0, 2**32 - 1)) >> (32 - bits) << (32 - bits)
        return f"{IPv4Address(address)}/{bits}"
    if draw(st.booleans()):
        bits = draw(st.integers(32, 128))
        return f"{IPv6Address(draw(st.integers(0, 2**128 - 1)) >> (128 - bits) << (128 - bits))}/{bits}"
    return f"10.{draw(st.integers(0, 255))}.{draw(st.integers(0, 255))}.{draw(st.sampled_from('*x'))}"


def refuses_with_a_sentence(call: Callable[[], object]) -> None:
    """Whatever it gives is fine; what it raises is a fault that says something."""
    said = "taken"
    try:
        call()
    except InputFault as fault:
        said = str(fault)
    assert said


@pytest.mark.parametrize("option", PARSERS)
@settings(max_examples=150, deadline=None)
@given(text=texts())
def test_an_option_is_taken_or_refused_with_a_sentence(option: str, text: str) -> None:
    refuses_with_a_sentence(lambda: PARSERS[option](text))


@settings(max_examples=150, deadline=None)
@given(text=st.lists(networks(), min_size=1, max_size=3).map(",".join))
def test_a_pool_that_is_taken_lies_in_its_networks(text: str) -> None:
    try:
        pool = parse_pool(text)
    except InputFault as fault:
        assume("overlap" not in str(fault) and "mix" not in str(fault))
        raise
    assert pool.addresses >= 1
    for first, count in zip(pool.first, pool.counts, strict=True):
        assert any(int(net[0]) <= first and first + count - 1 <= int(net[-1]) for net in pool.networks)
    assert all(ip_network(str(network)) == network for network in pool.networks)


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(st.none(), st.floats()), st.one_of(st.none(), st.floats()), st.one_of(st.none(), st.integers()), texts()
)
def test_limits_are_taken_or_refused(packets: float | None, rate: float | None, users: int | None, window: str) -> None:
    refuses_with_a_sentence(lambda: check_allowance(packets, rate, users, window))


VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(),
    texts().filter(lambda text: "\ud800" not in text),
    st.lists(st.sampled_from(["a", "80", "x" * 300]), max_size=3),
    st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 9), max_size=2),
)
RULE_KEYS = (
    "service",
    "message",
    "match",
    "value",
    "name",
    "width",
    "start",
    "within",
    "length",
    "from",
    "until",
    "unit",
    "x",
)


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Tables of rules, sound ones changed."""
    sound = {
        "field": {"service": 80, "message": 1, "match": "a(b)c", "value": "user"},
        "extract": {"service": 80, "name": "sid", "match": "sid=(\\w+)"},
        "stamp": {"service": 80, "match": "(\\d+)", "unit": "ms"},
    }
    document: dict[str, Any] = {}
    for kind in draw(st.lists(st.sampled_from(["field", "extract", "stamp", "other"]), max_size=3, unique=True)):
        table: dict[str, Any] = dict(sound.get(kind, {}))
        for key in draw(st.lists(st.sampled_from(RULE_KEYS), max_size=3)):
            table[key] = draw(VALUES)
        if table and draw(st.booleans()):
            table.pop(draw(st.sampled_from(sorted(table))))
        document[kind] = draw(st.sampled_from([[table], [table, table], table, 5]))
    text = tomli_w.dumps(document)
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.sampled_from(["", "", "", "=", "[", '"', "\x00", "\u00e9"])) + text[at:]


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(text=rules())
def test_a_rules_file_is_taken_or_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(text)
    refuses_with_a_sentence(lambda: read_rules(str(file), []))


_COMMAND: Any = typer.main.get_command(cli.app)
SEND = _COMMAND.commands["send"]
NAMES = (
    "users",
    "rate",
    "transfer",
    "fail-if",
    "strict",
    "timeout",
    "mtu",
    "token-file",
    "tls-ca",
    "config",
    "help",
    "usres",
    "-u",
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(held=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4), cut=st.integers(0, 200), is_json=st.booleans())
def test_a_configuration_is_taken_or_refused_with_a_sentence(
    tmp_path: Path, held: dict[str, Any], cut: int, is_json: bool
) -> None:
    import json

    assume(not is_json or not any(isinstance(value, float) and math.isnan(value) for value in held.values()))
    text = json.dumps({"options": held}) if is_json else tomli_w.dumps(held)
    file = tmp_path / ("run.json" if is_json else "run.toml")
    file.write_text(text[: cut if cut < 100 else None])
    context: Any = SimpleNamespace(command=SEND, default_map=None)
    refuses_with_a_sentence(lambda: read_config(context, None, file))


@pytest.mark.parametrize("text", ["(" * 3000, "a{99999999999999999999}"], ids=["too deep", "too often"])
def test_an_expression_that_python_cannot_hold_is_none(text: str) -> None:
    with pytest.raises(InputFault, match="is not a regular expression"):
        parse_verify("16", (text,), parse_places("xdp:eth0", 36524))
