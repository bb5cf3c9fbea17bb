"""What the compiler or the verifier refuses is one sentence, with the rest in the log."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from verdicts import PROGRAMS, Program

from gryphon.bpf import loader, syscall


def text(folder: Path, body: str) -> Path:
    source = folder / "wrong.bpf.c"
    source.write_text(body)
    return source


def test_a_text_that_does_not_compile(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        loader.LoadFault, match=r"^bcc cannot compile wrong\.bpf\.c .*debug level has its output\.$"
    ) as fault:
        loader.compile(text(tmp_path, "int wrong(struct xdp_md *ctx) { return nonsense; }"), {})
    assert "undeclared identifier 'nonsense'" in fault.value.log
    assert capfd.readouterr() == ("", "")


def test_a_program_that_the_verifier_refuses(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    body = "int wrong(struct xdp_md *ctx) { return *(u8 *)(long)ctx->data; }"
    module = loader.compile(text(tmp_path, body), {})
    with pytest.raises(loader.LoadFault, match=r"^The kernel refuses the program wrong \(.*\)") as fault:
        module.load(syscall.XDP, "wrong", "wrong")
    assert "\n" not in str(fault.value)
    assert "invalid access to packet" in fault.value.log
    assert capfd.readouterr() == ("", "")
    module.close()


def test_a_module_gives_back_every_descriptor() -> None:
    folder = Path("/proc/self/fd")
    source = Path(loader.__file__).parent / "intercept.bpf.c"
    before = len(list(folder.iterdir()))
    module = loader.compile(source, {"RING_BYTES": 4096, "SAMPLE": 0})
    os.close(module.load(syscall.XDP, "intercept_xdp", "gryphon_test"))
    module.close()
    assert len(list(folder.iterdir())) == before


@pytest.mark.parametrize("hook", PROGRAMS)
def test_the_verifier_needs_less_than_a_tenth_of_what_it_allows_itself(hook: str) -> None:
    """Room for the older verifiers, which follow more states."""
    program = Program(hook, ring_bytes=4096)
    verified = int.from_bytes(syscall.info(program.descriptor, 232)[216:220], "little")  # verified_insns
    assert 1_000 < verified < 100_000
    program.close()
