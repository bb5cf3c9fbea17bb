"""A run's figures for Prometheus: what each is, and the process that serves them."""
