"""Conditions: what a sample is accompanied by in shards, one file each."""
