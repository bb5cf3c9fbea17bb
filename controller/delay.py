"""How long records take from their capture to whoever reads them: a small histogram with buckets 9 % wide."""

from __future__ import annotations

import numpy as np

from gryphon.controller.record import Records

_PER_OCTAVE = 8
_BUCKETS = 32 * _PER_OCTAVE  # 1 us to over an hour
_SAMPLED = 256
"""Records looked at per batch: a batch's delays differ little, and the hot path stays cheap."""


class DelayHistogram:
    """Counts delays of records in logarithmic buckets, sampling large batches evenly."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS, dtype=np.int64)

    def add(self, records: Records, now: int) -> None:
        """Count a batch that was there at ``now`` (nanoseconds, the clock of its ``time_ns``)."""
        step = -(-len(records) // _SAMPLED)
        if step == 0:
            return
        delays = (now - records["time_ns"][::step].astype(np.int64)) / 1000
        buckets = (np.log2(np.maximum(delays, 1.0)) * _PER_OCTAVE).astype(np.int64)
        self._counts += np.bincount(np.minimum(buckets, _BUCKETS - 1), minlength=_BUCKETS) * step

    def percentile(self, percent: float) -> float:
        """The delay in microseconds that ``percent`` of the records did not exceed (upper edge), 0 without any."""
        total = int(self._counts.sum())
        if total == 0:
            return 0.0
        bucket = int(np.searchsorted(np.cumsum(self._counts), total * percent / 100))
        return float(2 ** ((bucket + 1) / _PER_OCTAVE))
