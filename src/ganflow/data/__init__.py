"""Data: formats of the official archives, sources that provide them, deterministic shards and their reader."""

SPLITS = ("train", "validation")
