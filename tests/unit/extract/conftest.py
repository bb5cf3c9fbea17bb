"""What the tests of the extract share with those of the capture reader."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "capture"))

from test_capture_real import capture  # noqa: F401 -- a fixture: the public capture that a test names
