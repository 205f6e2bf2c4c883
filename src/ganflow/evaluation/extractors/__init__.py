"""Extractors; one file each."""
