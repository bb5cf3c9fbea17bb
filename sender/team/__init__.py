"""``--threads``: a run's users shared among several processes."""
