"""What docs/performance.md quotes, re-runnable: see README.md beside this file."""
