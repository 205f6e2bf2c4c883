"""Objectives: what generator and critic minimise; one file each."""
