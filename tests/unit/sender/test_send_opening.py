"""Where the transmitter cannot be opened, nothing was sent, so no intercept goes on dropping."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from gryphon.controller.ended import Ended
from gryphon.controller.errors import EnvironmentFault
from gryphon.sender.send import _open_sending


class Both:
    """The choice that cannot be opened, and the intercepts that are told of it."""

    closed: list[bool]

    def __init__(self) -> None:
        self.closed = []

    def open(self, payload: Any) -> None:
        raise EnvironmentFault("its driver has no way for such frames")

    def close(self, clean: bool, how: Ended) -> None:
        assert how is Ended.UNSTARTED
        self.closed.append(clean)


def test_intercepts_are_closed_as_after_a_clean_run() -> None:
    both = Both()
    prepared = SimpleNamespace(choice=both, script=SimpleNamespace(payload=np.zeros(1, np.uint8)))
    with pytest.raises(EnvironmentFault, match="its driver has no way"):
        _open_sending(cast(Any, prepared), cast(Any, both))
    assert both.closed == [True]
