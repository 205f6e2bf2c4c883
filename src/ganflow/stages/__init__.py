"""Stages: one function a stage, and the command line."""
