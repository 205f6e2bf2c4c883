"""Data: formats of the official archives, sources that deliver them, deterministic shards and their reader."""

SPLITS = ("train", "validation")
