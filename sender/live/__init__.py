"""The live view of a running replay, drawn by a process of its own."""
