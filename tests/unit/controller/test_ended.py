"""Both logs say how a run ended, and an older sender, or one that says nonsense, is understood by what is left."""

from __future__ import annotations

import pytest

from gryphon.controller.ended import Ended, told


@pytest.mark.parametrize("how", list(Ended))
def test_what_a_sender_says_is_what_is_understood(how: Ended) -> None:
    assert told({"clean": False, "how": how.name.lower()}) is how


@pytest.mark.parametrize("how", [None, 7, "", "ended well", ["over"]])
def test_without_it_the_end_was_clean_or_a_fault(how: object) -> None:
    assert told({"clean": True, "how": how}) is Ended.OVER
    assert told({"clean": False, "how": how}) is Ended.FAULT
    assert told({"how": how}) is Ended.FAULT
