"""What a run needs of the hosts that take part, and whether they have it."""
