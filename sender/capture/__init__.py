"""Capture files to packets to sessions to a replay script."""
