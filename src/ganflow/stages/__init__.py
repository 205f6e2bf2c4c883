"""Stages: one module per stage or command, and the command line."""
