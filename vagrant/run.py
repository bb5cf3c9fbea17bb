"""``python -m vagrant.run [--box BOX] [pytest's arguments]``: the integration tests in virtual machines of each box.

Everything runs in namespaces without a way out (`vagrant.confine`), on files of one folder, and nothing of it stays.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from vagrant.boxes import BOXES, BUILD
from vagrant.confine import run_confined
from vagrant.inside import SHELL


def main() -> int:
    """Exit status: pytest's of the first box that did not pass."""
    options = argparse.ArgumentParser(prog="python -m vagrant.run", description=__doc__)
    options.add_argument("--box", choices=("all", *BOXES), default="all")
    options.add_argument(SHELL, action="store_true", help="a shell beside the machines instead of the tests")
    chosen, arguments = options.parse_known_args()
    boxes = [box for box in BOXES.values() if chosen.box in ("all", box.name)]
    for box in boxes:
        if not box.file.exists():
            options.error(f"{box.file} is not there: `make box` makes it.")
    if chosen.shell:
        arguments = [SHELL]
    for left in BUILD.glob("run-*"):  # of a run that was killed
        shutil.rmtree(left)
    statuses = []
    for box in boxes:
        begun = time.monotonic()
        work = Path(tempfile.mkdtemp(prefix="run-", dir=BUILD))
        try:
            statuses.append(run_confined([sys.executable, "-m", "vagrant.inside", work, box.name, *arguments]))
        finally:
            shutil.rmtree(work)
        print(f"{box.name}: {time.monotonic() - begun:.0f} s in all", flush=True)
    return next((status for status in statuses if status), 0)


if __name__ == "__main__":
    sys.exit(main())
