"""What the compiler or the verifier refuses is one sentence, with the rest in the log."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from verdicts import PROGRAMS, Program

from gryphon.bpf import kept, loader, syscall
from gryphon.bpf.kept import MapShape


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
    with pytest.raises(loader.LoadFault, match=r"^The kernel, [^,]+, refuses the program wrong \(.*\)") as fault:
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


@pytest.mark.parametrize("name", ["intercept", "transmit"])
def test_a_kept_text_makes_the_same_maps_and_a_program_that_is_verified_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source = Path(loader.__file__).parent / f"{name}.bpf.c"
    numbers = {"RING_BYTES": 4096, "SAMPLE": 8, "RINGS": 1, "FRAME_BYTES": 1 << 13, "PLACES": 8}
    function = {"intercept": "intercept_xdp", "transmit": "transmit"}[name]
    made = []
    for _ in range(2):
        module = loader.compile(source, numbers, tmp_path)
        program = module.load(syscall.XDP, function, "gryphon_test")
        maps = {name: MapShape.of(each.descriptor, name) for name, each in module.maps.items()}
        length, verified = (int.from_bytes(syscall.info(program, 232)[at : at + 4], "little") for at in (20, 216))
        made.append((maps, length, verified))
        os.close(program)
        module.close()
        monkeypatch.setattr(loader, "find_bcc", lambda: pytest.fail("it was compiled again"))
    assert made[0] == made[1]
    assert made[0][1] > 0
    assert made[0][2] > 0


def test_a_kept_file_that_makes_no_maps_is_compiled_again(tmp_path: Path) -> None:
    source = Path(loader.__file__).parent / "intercept.bpf.c"
    numbers = {"RING_BYTES": 4096, "SAMPLE": 0, "RINGS": 1}
    loader.compile(source, numbers, tmp_path).close()
    (file,) = tmp_path.iterdir()
    whole = file.read_text()
    code = kept.read(file)
    assert code is not None
    kept.write(file, code._replace(maps=[shape._replace(kind=9999) for shape in code.maps]))
    folder = Path("/proc/self/fd")
    before = len(list(folder.iterdir()))
    loader.compile(source, numbers, tmp_path).close()
    assert len(list(folder.iterdir())) == before
    assert file.read_text() == whole
