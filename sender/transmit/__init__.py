"""Putting packets on the wire."""
