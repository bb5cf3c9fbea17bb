"""Counters and histograms to summary and JSON."""
