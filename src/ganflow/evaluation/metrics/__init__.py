"""Metrics; one file each."""
