"""Distributions of points: the toy problems of the papers; one file each."""
