"""gryphon's packet engine, compiled in the tree of a box: where processors are emulated it would take minutes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from vagrant.boxes import Box
from vagrant.build import CLEAN

_STEPS = """
set -e
/opt/gryphon/bin/pip install --quiet --disable-pip-version-check --no-compile --no-deps --no-index /tmp/gryphon-*.whl
find /opt/gryphon/lib/python3*/site-packages/gryphon -type f -exec touch -d @0 {} +
NUMBA_CPU_NAME=generic /opt/gryphon/bin/python -m gryphon.sender.warm
tar -cf /tmp/compiled.tar root/.cache/gryphon opt/gryphon/lib/python3*/site-packages/gryphon
"""
"""As guest/provision.sh does it: files of the same names, contents and times find what was compiled for them."""


def compile_engine(box: Box, wheel: Path, work: Path, into: Path) -> None:
    """Leaves ``compiled.tar`` in a folder. The tree stays as it is: what is written goes to a layer above it."""
    layer = [work / name for name in ("upper", "overlay", "tree")]
    for path in layer:
        path.mkdir()
    upper, overlay, tree = layer
    options = f"lowerdir={box.root},upperdir={upper},workdir={overlay}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, tree], check=True)
    try:
        subprocess.run(["mount", "-t", "proc", "proc", tree / "proc"], check=True)
        shutil.copy(wheel, tree / "tmp")
        subprocess.run([*CLEAN, "chroot", tree, "sh", "-c", _STEPS], check=True, stdin=subprocess.DEVNULL)
        shutil.copy(tree / "tmp" / "compiled.tar", into)
    finally:
        subprocess.run(["umount", "--recursive", tree], check=True)
