"""The systemd unit: verified by systemd itself, and with three capabilities and no more."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[3] / "systemd/gryphon-intercept.service"
MOST_EXPOSED = 2.5
"""systemd-analyze's measure from 0 (nothing) to 10 (everything); "OK" ends at 4.9, a plain service has 9.6."""


class _Unit(RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr


def analyze(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`systemd-analyze` over the unit, its command where this machine has one."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("systemd-analyze is not installed: run `make setup`")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/gryphon-intercept", "/bin/true"))
    return subprocess.run([tool, *words, str(unit)], capture_output=True, text=True, timeout=60)


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    done = analyze(tmp_path, "verify", "--man=no", "--recursive-errors=no")
    said = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert said == []


def test_it_is_exposed_to_little(tmp_path: Path) -> None:
    done = analyze(tmp_path, "security", "--offline=true", "--json=short", f"--threshold={MOST_EXPOSED * 10:.0f}")
    rows = json.loads(done.stdout)
    assert done.returncode == 0, [row["description"] for row in rows if not row["set"]]
    held = {row["name"] for row in rows if "CapabilityBoundingSet" in row["json_field"] and not row["set"]}
    assert len(held) <= 2, held  # systemd puts the three capabilities into two groups


def test_it_has_the_three_capabilities_and_no_other() -> None:
    parser = _Unit(strict=False)
    parser.read_string(UNIT.read_text())
    for name in ("CapabilityBoundingSet", "AmbientCapabilities"):
        assert parser["Service"][name].split() == ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]


def test_nothing_in_it_makes_the_bpf_file_system_read_only() -> None:
    """systemd 252 does so for ProtectKernelTunables, whatever ReadWritePaths says: the service did not start."""
    parser = _Unit(strict=False)
    parser.read_string(UNIT.read_text())
    assert "ProtectKernelTunables" not in parser["Service"]
    assert "/sys" in parser["Service"]["ReadOnlyPaths"].split()
    assert parser["Service"]["ReadWritePaths"] == "/sys/fs/bpf"


def test_a_forbidden_system_call_is_refused_and_does_not_kill() -> None:
    """numpy's linear algebra calls mbind as it is loaded."""
    parser = _Unit(strict=False)
    parser.read_string(UNIT.read_text())
    assert parser["Service"]["SystemCallErrorNumber"] == "EPERM"
