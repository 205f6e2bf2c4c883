"""The folders of the stage graph for Snakemake: patterns with wildcards, or all of an experiment."""

from typing import Any

from ganflow.stages.graph import STAGES, Stage

ORIGIN = "src/ganflow"  # input of stages without inputs: a folder, as Snakemake compares small files by content


def pattern(stage: Stage, config: dict[str, Any]) -> str:
    """The output folder of a stage, with its axes as wildcards."""
    return stage.output.replace("{experiment}", config["experiment"])


def all_of(stage: Stage, config: dict[str, Any]) -> list[str]:
    """All output folders of a stage."""
    axes = {(): [{}], ("dataset",): [{"dataset": name} for name in config["datasets"]]}
    found = axes.get(stage.axes, config["runs"].values() if stage.axes else ())
    return [pattern(stage, config).format(**values) for values in found]


def inputs(stage: Stage, config: dict[str, Any]) -> list[str]:
    """The inputs of a stage: for the same axes, or all of a stage with more axes."""
    found: list[str] = []
    for before in (STAGES[name] for name in stage.inputs):
        same = set(before.axes) <= set(stage.axes)
        found += [pattern(before, config)] if same else all_of(before, config)
    return found or [ORIGIN]
