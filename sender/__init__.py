"""The `gryphon` command: captures in, simulated users out."""
