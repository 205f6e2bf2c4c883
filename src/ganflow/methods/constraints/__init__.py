"""Constraints on the critic; one file each."""
