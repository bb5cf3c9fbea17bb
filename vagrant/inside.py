"""``python -m vagrant.inside WORK BOX [PYTEST...]``: machines up, pytest, machines gone. `vagrant.run` confines it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gryphon.controller.errors import EnvironmentFault, Fault
from vagrant import driver
from vagrant.boxes import BOXES, CHECKOUT, HERE, Box
from vagrant.compiled import compile_engine
from vagrant.confine import libvirtd

SHELL = "--shell"


def _wheel(into: Path) -> Path:
    """The checkout's wheel; with what .venv has, so that nothing is fetched."""
    line = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", into, CHECKOUT]
    done = subprocess.run([str(word) for word in line], cwd="/", check=False, capture_output=True, text=True)
    if done.returncode:
        raise EnvironmentFault(f"The wheel cannot be built: {done.stderr[-1000:]}")
    return next(into.glob("*.whl"))


def _vagrant(*words: str | Path) -> None:
    """Runs Vagrant where its file is, without the bars that it draws."""
    line = ["vagrant", *map(str, words), "--no-color", "--no-tty"]
    process = subprocess.Popen(line, cwd=HERE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for said in process.stdout:
        if "Progress:" not in said:
            print(said, end="", flush=True)
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, line)


def _environment(box: Box, work: Path) -> dict[str, str]:
    """What Vagrant and its file read."""
    return {
        "VAGRANT_HOME": str(work / "home"),
        "VAGRANT_DOTFILE_PATH": str(work / "machines"),
        "VAGRANT_CHECKPOINT_DISABLE": "1",
        "VAGRANT_DEFAULT_PROVIDER": "libvirt",
        "GRYPHON_BOX": f"gryphon/{box.name}",
        "GRYPHON_DRIVER": driver.choose(box.root / "boot", os.environ.get("GRYPHON_DRIVER")),
        "GRYPHON_POOL": str(work / "pool"),
        "GRYPHON_DIST": str(work / "dist"),
        "GRYPHON_KERNEL": box.kernel,
        "GRYPHON_SSH": str(work / "ssh"),
    }


def _command(arguments: Sequence[str]) -> list[str]:
    """The tests, or a shell in which machines are reached by ``ssh -F "$GRYPHON_SSH" sender``."""
    if arguments == [SHELL]:
        return [os.environ.get("SHELL", "/bin/sh")]
    return [sys.executable, "-m", "pytest", str(HERE / "tests"), "-p", "no:cacheprovider", *arguments]


def _test(box: Box, work: Path, arguments: Sequence[str]) -> int:
    """The machines from start to end, and pytest's exit status."""
    begun = time.monotonic()

    def say(what: str) -> None:
        print(f"{box.name}: {what} after {time.monotonic() - begun:.0f} s", flush=True)

    for name in ("pool", "home", "dist"):
        (work / name).mkdir()
    compile_engine(box, _wheel(work / "dist"), work, work / "dist")
    say("compiled")
    os.environ.update(_environment(box, work))
    say(f"driver {os.environ['GRYPHON_DRIVER']}")
    with libvirtd(work):
        _vagrant("box", "add", "--name", os.environ["GRYPHON_BOX"], box.file)
        _vagrant("validate")
        _vagrant("up")
        say("up")
        config = subprocess.run(["vagrant", "ssh-config"], cwd=HERE, check=True, stdout=subprocess.PIPE).stdout
        (work / "ssh").write_bytes(config)
        status = subprocess.run(_command(arguments), cwd=CHECKOUT, check=False).returncode
        say("tested")
        _vagrant("destroy", "--force")
    say("gone")
    return status


def main() -> int:
    """Everything inside of the namespaces."""
    work, box = Path(sys.argv[1]), BOXES[sys.argv[2]]
    try:
        return _test(box, work, sys.argv[3:])
    except Fault as fault:
        print(f"vagrant: {fault}", file=sys.stderr)
        return fault.status
    except subprocess.CalledProcessError as failed:
        print(f"vagrant: `{' '.join(map(str, failed.cmd))}` ended with {failed.returncode}; see above", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
