"""Evaluation: scores of generated images, offline and named for what they are."""
