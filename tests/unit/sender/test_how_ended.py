"""The log's word for a run's end is what ended it; a run that came to its end was not broken off."""

from __future__ import annotations

import pytest

from gryphon.controller.ended import Ended
from gryphon.sender.play import how_ended
from gryphon.sender.results.verdict import Ending


@pytest.mark.parametrize(
    ("ending", "clean", "how"),
    [
        (Ending.FINISHED, True, Ended.OVER),
        (Ending.FINISHED, False, Ended.INCOMPLETE),
        (Ending.INTERRUPTED, False, Ended.INTERRUPTED),
        (Ending.ENDED_EARLY, False, Ended.EARLY),
        (Ending.GRANT_LOST, False, Ended.LOST),
    ],
)
def test_each_ending_has_its_word(ending: Ending, clean: bool, how: Ended) -> None:
    assert how_ended(ending, clean) is how
