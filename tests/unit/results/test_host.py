"""A result says on what host it was made, as far as the host says, and without its name."""

from __future__ import annotations

import platform
from pathlib import Path

from gryphon.sender.results.host import describe_host


def test_kernel_processor_and_memory_are_read_where_linux_shows_them(tmp_path: Path) -> None:
    cpuinfo, meminfo = tmp_path / "cpuinfo", tmp_path / "meminfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Fast Processor: 9\n\nprocessor\t: 1\nmodel name\t: Other\n")
    meminfo.write_text("MemTotal:       1024 kB\nMemFree: 1 kB\n")
    host = describe_host(cpuinfo, meminfo)
    assert (host["cpu"], host["memory_bytes"]) == ("Fast Processor: 9", 1 << 20)
    assert host["kernel"].endswith(platform.release())
    assert host["cores"] >= 1


def test_what_the_host_does_not_say_is_null(tmp_path: Path) -> None:
    host = describe_host(tmp_path / "none", tmp_path / "none")
    assert (host["cpu"], host["memory_bytes"]) == (None, None)


def test_the_name_of_the_host_stays_out() -> None:
    assert platform.node() not in str(describe_host()).split()
