"""``python -m vagrant.build [BOX...]``: boxes out of Debian's packages. The only step that needs a package mirror.

A tree by mmdebstrap, gryphon's Python packages in the versions of requirements.txt, a disk image, a box. Runs as root;
the Makefile gives it a mount namespace of its own, so that no mount and no loop device stays, whatever ends it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vagrant.boxes import BOXES, BUILD, HERE, PACKAGES, Box

CLEAN = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8")
VENV = "/opt/gryphon"
_DISK = "6G"
_KEY = Path("/usr/share/rubygems-integration/all/gems")
_FEATURES = "^64bit,^metadata_csum,^metadata_csum_seed,^orphan_file"
"""Of ext4, which the boot loader does not read."""
_LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists")


def _run(*words: str | Path) -> None:
    subprocess.run([str(word) for word in words], check=True, stdin=subprocess.DEVNULL)


def _run_in(box: Box, *words: str) -> None:
    """Runs a command in the box's tree, with nothing of this machine's settings."""
    _run(*CLEAN, "chroot", box.root, *words)


def _tree(box: Box) -> None:
    """Debian, and nothing that only people read."""
    shutil.rmtree(box.root, ignore_errors=True)
    box.root.parent.mkdir(parents=True, exist_ok=True)
    _run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", box.suite, box.root)
    for path in _LEFT_OUT:
        shutil.rmtree(box.root / path, ignore_errors=True)


def _python(box: Box) -> None:
    """The virtual environment of docs/installation.md with gryphon's dependencies, without gryphon itself."""
    wheels = box.root / "tmp" / "wheels"
    platforms = [f"--platform=manylinux_{version}_x86_64" for version in ("2_28", "2_17")] + [
        "--platform=manylinux2014_x86_64"
    ]
    _run(
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:",
        f"--python-version={box.python}", "--implementation=cp", *platforms,
        "--requirement", HERE / "requirements.txt", "--dest", wheels,
    )  # fmt: skip
    shutil.copy(HERE / "requirements.txt", wheels)
    _run_in(box, "python3", "-m", "venv", VENV)
    pip = [
        f"{VENV}/bin/pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-index",
        "--find-links=/tmp/wheels",
    ]
    _run_in(box, *pip, "--requirement", "/tmp/wheels/requirements.txt")
    shutil.rmtree(wheels)


def _configure(box: Box) -> None:
    """What a machine of Vagrant's has beyond its packages."""
    key = next(_KEY.glob("vagrant-*/keys/vagrant.pub"))
    shutil.copy(key, box.root / "tmp" / "vagrant.pub")
    shutil.copy(HERE / "guest" / "configure.sh", box.root / "tmp")
    _run_in(box, "sh", "/tmp/configure.sh", box.name)
    for path in (box.root / "tmp").iterdir():
        path.unlink()


def _image(box: Box, image: Path) -> None:
    """A disk that boots, compressed: one file system, whose first sector is the boot loader."""
    with tempfile.TemporaryDirectory(dir=box.root.parent) as directory:
        disk, mounted = Path(directory, "disk"), Path(directory, "mounted")
        mounted.mkdir()
        _run("truncate", f"--size={_DISK}", disk)
        _run("mkfs.ext4", "-q", "-F", "-O", _FEATURES, "-E", "lazy_itable_init=1", "-L", "root", "-d", box.root, disk)
        _run("mount", "-o", "loop", disk, mounted)
        try:
            _run("extlinux", "--install", mounted / "boot" / "extlinux")
        finally:
            _run("umount", mounted)
        _run("qemu-img", "convert", "-c", "-O", "qcow2", disk, image)


def _box(box: Box) -> None:
    """Vagrant's format: a tar of the image and of what it is."""
    with tempfile.TemporaryDirectory(dir=box.root.parent) as directory:
        image = Path(directory, "box.img")
        _image(box, image)
        Path(directory, "metadata.json").write_text(
            json.dumps({"provider": "libvirt", "format": "qcow2", "virtual_size": 6})
        )
        begun = box.file.with_suffix(".new")
        _run("tar", "-C", directory, "-cf", begun, "metadata.json", "box.img")
        begun.replace(box.file)


def build(box: Box) -> None:
    """Makes a box, in place of an older one."""
    begun = time.monotonic()
    for step in (_tree, _python, _configure, _box):
        step(box)
        print(f"{box.name}: {step.__name__[1:]} after {time.monotonic() - begun:.0f} s", flush=True)


def main() -> int:
    """Makes the boxes that were asked for, or all."""
    options = argparse.ArgumentParser(prog="python -m vagrant.build", description=__doc__)
    options.add_argument("boxes", nargs="*", metavar="BOX", help=f"of {', '.join(BOXES)}; all of them if none is named")
    names = options.parse_args().boxes or list(BOXES)
    unknown = [name for name in names if name not in BOXES]
    if unknown:
        options.error(f"there is no box {unknown[0]}: take one of {', '.join(BOXES)}.")
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in names:
        build(BOXES[name])
    return 0


if __name__ == "__main__":
    sys.exit(main())
