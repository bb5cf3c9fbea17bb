"""The options of ``gryphon send``: bounds, files and speeds, each wrong one with its sentence."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from gryphon.controller.errors import InputFault
from gryphon.sender.options import SendOptions, check, parse_files, parse_hold, parse_speed

GOOD: dict[str, Any] = {
    "users": 1000,
    "rate": None,
    "ramp": None,
    "arrivals": "even",
    "loops": 1,
    "duration_s": None,
    "push": False,
    "settle_s": 0.2,
    "verify": None,
    "ignore": (),
    "timeout_s": 75.0,
    "strict": False,
    "allow_encrypted": False,
    "mode": 0,
    "seed": 0,
    "mtu": 1500,
    "threads": 1,
    "warmup_s": 0.0,
    "trace": 0,
    "trace_users": (),
    "port": 36524,
    "transmit": "raw",
    "device": None,
    "speed": 1.0,
    "json": None,
    "report": None,
    "csv": None,
}


def _options(**changes: Any) -> SendOptions:
    values = {field.name: "x" for field in dataclasses.fields(SendOptions)} | GOOD | changes
    return SendOptions(**values)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"users": 1},
        {"users": 1 << 30},
        {"rate": "0.001"},
        {"timeout_s": 86_400.0},
        {"mode": 1},
        {"seed": 1 << 40},
        {"mtu": 576},
        {"mtu": 65535},
        {"threads": 64},
        {"port": 1},
        {"port": 65535},
        {"transmit": "auto"},
        {"transmit": "link", "device": "eth0"},
    ],
)
def test_what_lies_in_its_bounds_passes(changes: dict[str, Any]) -> None:
    check(_options(**changes))


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"report": "-"}, "--report - is not possible"),
        ({"csv": "-"}, "--csv - is not possible"),
        ({"json": "out", "report": "out"}, "--json, --report and --csv name the same file"),
        ({"users": 0}, "-u 0"),
        ({"users": -5}, "-u -5"),
        ({"users": (1 << 30) + 1}, "-u "),
        ({"rate": "0"}, "-i 0"),
        ({"rate": "-1"}, "-i -1"),
        ({"rate": "nan"}, "-i nan"),
        ({"rate": "inf"}, "-i inf"),
        ({"rate": "1k"}, "-i 1k"),
        ({"arrivals": "uniform"}, "--arrivals uniform: give even, poisson or recorded"),
        ({"rate": "10", "ramp": "0:10"}, "-i and --ramp exclude each other"),
        ({"rate": "10", "arrivals": "recorded"}, "--arrivals recorded"),
        ({"ramp": "0:10,1s:0", "arrivals": "recorded"}, "--arrivals recorded"),
        ({"ramp": "5s:10"}, "--ramp 5s:10: it has to say the rate at time 0 first"),
        ({"ramp": "0:10,5s"}, "--ramp 0:10,5s: '5s' is no TIME:RATE"),
        ({"ramp": "0:-10"}, "--ramp 0:-10: '0:-10' is no TIME:RATE"),
        ({"ramp": "0:1,5s:2,5s:3"}, "--ramp 0:1,5s:2,5s:3: its times have to grow"),
        ({"settle_s": 0.0}, "--settle 0"),
        ({"settle_s": 100.0}, "--settle 100"),
        ({"timeout_s": 0.0}, "-t 0"),
        ({"timeout_s": 90_000.0}, "-t 90000"),
        ({"timeout_s": math.nan}, "-t nan"),
        ({"mode": 2}, "-m 2"),
        ({"seed": -1}, "-e -1"),
        ({"mtu": 575}, "-M 575"),
        ({"mtu": 65536}, "-M 65536"),
        ({"threads": 0}, "--threads 0"),
        ({"trace": -1}, "--trace -1"),
        ({"trace": 2, "trace_users": (1,)}, "--trace and --trace-users"),
        ({"trace_users": (1000,)}, "--trace-users 1000"),
        ({"warmup_s": 60.0, "duration_s": 60.0}, "--warmup 60s"),
        ({"threads": 65}, "--threads 65"),
        ({"port": 0}, "-p 0"),
        ({"port": 65536}, "-p 65536"),
        ({"transmit": "dpdk"}, "--transmit dpdk: give raw, link, xdp or auto"),
        ({"device": "eth0"}, "-o eth0 is for frames, and raw sockets follow this host's routes: add --transmit link"),
    ],
)
def test_what_does_not_is_refused_in_one_sentence_that_names_the_option(changes: dict[str, Any], option: str) -> None:
    with pytest.raises(InputFault) as caught:
        check(_options(**changes))
    assert str(caught.value).startswith(option)
    assert caught.value.status == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "speed"), [("2", 2.0), ("0.5", 0.5), ("1e3", 1000.0), ("max", math.inf)])
def test_a_speed_is_a_positive_number_or_max(text: str, speed: float) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["0", "-1", "", "fast", "inf", "nan", "MAX"])
def test_another_speed_is_refused(text: str) -> None:
    with pytest.raises(InputFault, match="-a "):
        parse_speed(text)


@pytest.mark.parametrize(
    ("text", "hold"),
    [(None, None), ("2", 2.0), ("0.5", 0.5), ("2592000", 2_592_000.0), ("forever", math.inf)],
)
def test_a_hold_is_seconds_or_forever(text: str | None, hold: float | None) -> None:
    assert parse_hold(text) == hold


@pytest.mark.parametrize("text", ["0", "-1", "", "long", "inf", "nan", "2592001", "FOREVER", "31d"])
def test_another_hold_is_refused(text: str) -> None:
    with pytest.raises(InputFault, match=f"--hold {text}: give a time"):
        parse_hold(text)


def test_files_are_listed_and_patterns_expanded_in_order(tmp_path: Path) -> None:
    for name in ("b.pcap", "a.pcap", "[1].pcap"):
        (tmp_path / name).touch()
    assert parse_files(f"{tmp_path}/?.pcap, {tmp_path}/[1].pcap") == (
        f"{tmp_path}/a.pcap",
        f"{tmp_path}/b.pcap",
        f"{tmp_path}/[1].pcap",
    )


def test_a_name_with_a_comma_is_a_name_when_there_is_such_a_file(tmp_path: Path) -> None:
    (tmp_path / "a,b.pcap").touch()
    (tmp_path / "c.pcap").touch()
    assert parse_files(f"{tmp_path}/a,b.pcap") == (f"{tmp_path}/a,b.pcap",)
    assert parse_files(f"{tmp_path}/a?b.pcap,{tmp_path}/c.pcap") == (f"{tmp_path}/a,b.pcap", f"{tmp_path}/c.pcap")
    assert len(parse_files(",".join(f"{n}.pcap" for n in range(5000)))) == 5000


def test_a_file_that_is_not_there_keeps_its_name_for_the_sentence() -> None:
    assert parse_files("./nothing-*.pcap") == ("./nothing-*.pcap",)


def test_no_file_is_refused() -> None:
    with pytest.raises(InputFault, match="-f"):
        parse_files(" , ")
