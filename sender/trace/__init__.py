"""``--trace``: the packets of sessions that failed, as the engine saw them."""
