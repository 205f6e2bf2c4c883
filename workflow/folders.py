"""The folders of the stage graph as Snakemake's inputs and outputs: patterns with wildcards, or all there are."""

from typing import Any

from ganflow.stages.graph import STAGES, Stage


def pattern(stage: Stage, config: dict[str, Any]) -> str:
    """Where a stage writes, its axes as wildcards."""
    return stage.output.replace("{experiment}", config["experiment"])


def all_of(stage: Stage, config: dict[str, Any]) -> list[str]:
    """Every folder that a stage writes."""
    axes = {(): [{}], ("dataset",): [{"dataset": name} for name in config["datasets"]]}
    found = axes.get(stage.axes, config["runs"].values() if stage.axes else ())
    return [pattern(stage, config).format(**values) for values in found]


def inputs(stage: Stage, config: dict[str, Any]) -> list[str]:
    """What a stage reads: for the same axes, or all of a stage that has more; params.yaml where there is nothing."""
    found: list[str] = []
    for before in (STAGES[name] for name in stage.inputs):
        same = set(before.axes) <= set(stage.axes)
        found += [pattern(before, config)] if same else all_of(before, config)
    return found or ["params.yaml"]
