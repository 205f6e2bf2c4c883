"""Distributions that points are drawn from: the toys of the papers; one file each."""
