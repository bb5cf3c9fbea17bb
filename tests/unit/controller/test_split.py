"""A grant's share of a batch: its generation and its services, in order."""

from __future__ import annotations

import numpy as np
from fakes import records_of

from gryphon.controller.split import Share


def test_only_own_generation_and_services_pass_in_order() -> None:
    batch = np.concatenate(
        [records_of(2, 3, service=0), records_of(1, 4, service=0), records_of(2, 5, service=9), records_of(2, 2)]
    )
    mine = Share(2, [0, 4]).of(batch)
    np.testing.assert_array_equal(mine["seq"], [0, 1, 2, 0, 1])


def test_a_batch_that_is_all_ours_is_not_copied() -> None:
    batch = records_of(2, 100)
    assert Share(2, [0]).of(batch) is batch
