"""Numerical studies of the theory: an interface, critics between two distributions, and the cases, one file each."""
