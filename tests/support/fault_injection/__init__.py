"""Faults for whole commands: kills, full disks, limits and damaged files, and what the commands then say and leave.

What is attacked is listed: units of params.yaml, files of the finished experiment, events of the process. A new method,
format or metric is attacked once the experiment has it.
"""
