"""The table of docs/invalidation.md: the stages that an edit of each module reruns."""

from functools import cache
from pathlib import Path

from ganflow import config
from ganflow.components import component_names
from ganflow.stages.digests import INFRASTRUCTURE, closure, imports
from ganflow.stages.graph import STAGES
from ganflow.stages.units import units

PROFILES = Path("profiles")


def table() -> str:
    """The stages that an edit of each module reruns; a folder of modules with the same effect is one row."""
    lines = ["| an edit of | runs again |", "| --- | --- |"]
    return "\n".join([*lines, *_rows("ganflow")]) + "\n"


def _rows(package: str) -> list[str]:
    """The rows of a package's modules and packages, or one for all."""
    inside = [module for module in imports().modules if module.startswith(f"{package}.")]
    effects = {_effect(module) for module in inside if not imports().find_children(module)}
    if package != "ganflow" and len(effects) == 1:
        return [_row(f"{package}.*", effects.pop())]
    rows = []
    for child in sorted(imports().find_children(package)):
        rows += _rows(child) if imports().find_children(child) else [_row(child, _effect(child))]
    return rows


def _row(name: str, effect: str) -> str:
    return f"| `{name.removeprefix('ganflow.').replace('.', '/')}` | {effect} |"


def _effect(module: str) -> str:
    if module in INFRASTRUCTURE:
        return f"nothing: infrastructure, {INFRASTRUCTURE[module]}"
    always, named = _reach()
    stages = [name if module in always[name] else f"{name}*" for name in STAGES if module in always[name] | named[name]]
    return ", ".join(stages) or "nothing"


@cache
def _reach() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """{stage: modules} of all units of a stage, and {stage: modules} of units with certain components."""
    chosen: dict[str, set[str]] = {name: set() for name in STAGES}
    always = {name: closure([f"ganflow.stages.{name}"]) for name in STAGES}
    for profile in sorted(PROFILES.glob("*.yaml")):
        for unit in units(config.load(profile), "cpu"):
            chosen[unit.stage] |= {module.rpartition(".")[0] for module in unit.recipe.components}
            if not unit.recipe.by_code:
                always[unit.stage] = set()
    named = {}
    for name, packages in chosen.items():
        folders = [package.removeprefix("ganflow.") for package in packages]
        components = [f"ganflow.{folder}.{file}" for folder in folders for file in component_names(folder)]
        named[name] = closure([f"ganflow.stages.{name}", *components])
    return always, named
