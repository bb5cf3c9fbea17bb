"""The loader says in one sentence what is missing; nothing here needs root."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gryphon.bpf import capabilities, headers, loader
from gryphon.bpf.errors import EnvironmentFault

ALL = (1 << 12) | (1 << 38) | (1 << 39)


@pytest.fixture(autouse=True)
def _no_bcc_yet() -> Iterator[None]:
    """Neither finds a bcc that another test has imported, nor leaves it the one made up here."""
    before = sys.modules.pop("bcc", None)
    yield
    sys.modules.pop("bcc", None)
    if before is not None:
        sys.modules["bcc"] = before


def package(folder: Path, text: str) -> Path:
    (folder / "bcc").mkdir()
    (folder / "bcc" / "__init__.py").write_text(text)
    return folder


def test_without_bcc_the_package_to_install_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loader, "SYSTEM_PACKAGES", (tmp_path,))
    with pytest.raises(EnvironmentFault, match="apt install python3-bpfcc"):
        loader.find_bcc()


def test_the_unrelated_bcc_is_recognized(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loader, "SYSTEM_PACKAGES", (package(tmp_path, "block = 'chain'"),))
    with pytest.raises(EnvironmentFault, match=r"another library of that name.*apt install python3-bpfcc"):
        loader.find_bcc()
    assert "bcc" not in sys.modules


def test_a_broken_bcc_is_reported_with_its_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = package(tmp_path, "raise OSError('libbcc.so.0: cannot open shared object file')")
    monkeypatch.setattr(loader, "SYSTEM_PACKAGES", (broken,))
    with pytest.raises(EnvironmentFault, match=r"libbcc\.so\.0: cannot open.*apt install python3-bpfcc"):
        loader.find_bcc()


def test_an_unrelated_bcc_imported_before_does_not_stand_in_the_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "bcc", type(sys)("bcc"))
    monkeypatch.setattr(loader, "SYSTEM_PACKAGES", (package(tmp_path, "class BPF: pass"),))
    assert hasattr(loader.find_bcc(), "BPF")


def test_the_search_path_for_modules_stays_as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loader, "SYSTEM_PACKAGES", (package(tmp_path, "class BPF: pass"),))
    before = list(sys.path)
    loader.find_bcc()
    assert sys.path == before


def test_without_uapi_headers_the_package_to_install_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(headers, "UAPI", tmp_path)
    with pytest.raises(EnvironmentFault, match="apt install linux-libc-dev"):
        headers.compiler_flags()


def test_headers_of_the_architecture_are_found_beside_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(headers, "UAPI", tmp_path)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    (tmp_path / "aarch64-linux-gnu" / "asm").mkdir(parents=True)
    (tmp_path / "aarch64-linux-gnu" / "asm" / "types.h").touch()
    (tmp_path / "linux").mkdir()
    (tmp_path / "linux" / "if_ether.h").touch()
    assert str(tmp_path / "aarch64-linux-gnu") in headers.compiler_flags()


def test_every_header_of_ours_is_pasted_once_and_none_of_the_system() -> None:
    text = headers.flatten(headers.HERE / "intercept.bpf.c")
    assert '#include "' not in text
    assert text.count("struct record {") == 1
    assert "#include <linux/ip.h>" in text


@pytest.mark.parametrize(
    ("held", "lacking"),
    [
        (ALL, []),
        (0, ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]),
        (ALL & ~(1 << 38), ["CAP_PERFMON"]),
        (ALL & ~(1 << 39), ["CAP_BPF"]),
        (1 << 21, ["CAP_NET_ADMIN"]),
        (1 << 21 | 1 << 12, []),
    ],
)
def test_lacking_capabilities_are_named(held: int, lacking: list[str]) -> None:
    assert capabilities.missing(held) == lacking


def test_the_fault_of_a_lacking_capability_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "effective", lambda: 1 << 12)
    with pytest.raises(EnvironmentFault, match=r"CAP_BPF and CAP_PERFMON, which this process lacks.*sudo") as fault:
        capabilities.require()
    assert fault.value.status == 3


def test_effective_capabilities_are_read_from_proc(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tx\nCapEff:\t000000c000001000\n")
    assert capabilities.missing(capabilities.effective(status)) == []


@pytest.mark.parametrize(
    ("release", "advice"),
    [
        ("5.10.0-30-amd64", "is older than Linux 6.1"),
        ("6.0", "is older than Linux 6.1"),
        ("6.1.0-56-cloud-amd64", "please report it"),
        ("6.12.1", "please report it"),
    ],
)
def test_a_refused_program_is_the_old_kernel_s_fault_or_gryphon_s(release: str, advice: str) -> None:
    sentence = loader.refused("gryphon_xdp", "no", release)
    assert sentence.startswith(f"The kernel, {release}, refuses the program gryphon_xdp (no); ")
    assert advice in sentence
