"""Before the first user: SYNs from each forged range to each server, whose answers the intercept must see."""
