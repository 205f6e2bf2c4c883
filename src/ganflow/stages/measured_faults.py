"""The tables of docs/faults.md: from benchmarks/faults.json, which `benchmarks/faults.py --record` writes."""

from pathlib import Path
from typing import Any

from ganflow.artifacts import read_json
from ganflow.errors import UserError

FILE = Path("benchmarks/faults.json")
HARMLESS = "harmless"  # a bit that turns one space of a JSON file into another
UNTOUCHED = "untouched"
WATCHERS = {  # by the key in the record: the head of its column
    "the next stage": "next stage",
    "verify": "`verify`",
    "the report": "report",
    "dvc": "`dvc repro`",
    "snakemake": "`snakemake`",
    "dvc status": "`dvc status`",
    "torch.load": "`torch.load`",
    "safetensors": "safetensors",
    "webdataset": "webdataset",
}
LSUN = 45.9  # GB of the archives of LSUN-bedroom


def table() -> str:
    """Markdown: who names damaged files; all other attacks; what reading inputs costs; and how it was measured."""
    if not FILE.is_file():
        raise UserError(f"{FILE}: missing; run `python benchmarks/faults.py --record`")
    found = read_json(FILE)
    attacks, good = found["attacks"], found["good"]
    kinds = dict.fromkeys(name.partition(": ")[0] for name in attacks if name.partition(": ")[2] in WATCHERS)
    rows = [["damage", *WATCHERS.values()], ["---", *["---:"] * len(WATCHERS)]]
    rows += [
        [kind, *(_named(attacks.get(f"{kind}: {who}"), good) for who in WATCHERS)]
        for kind in kinds
        if kind != UNTOUCHED
    ]
    others = [["attack", "n", "as promised", "otherwise"], ["---", "---:", "---:", "---"]]
    for name, about in attacks.items():
        if name.partition(": ")[2] not in WATCHERS or name.startswith(UNTOUCHED):
            others.append([name, str(about["n"]), str(_count(about, good)), _rest(about, good)])
    versions = ", ".join(f"{package} {number}" for package, number in found["about"]["versions"].items())
    trials, minutes = (sum(about[key] for about in attacks.values()) for key in ("n", "seconds"))
    how = f"{trials} trials, {minutes / 60:.0f} min if one follows the other. "
    how += f"{found['about']['cpu']}, Python {found['about']['python']}, {versions}.\n"
    costs = [_costs(found["costs"])] if "costs" in found else []
    return "\n".join([_markdown(rows), _markdown(others), *costs, how])


def _markdown(rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _count(about: dict[str, Any], good: list[str]) -> int:
    return sum(count for outcome, count in about["outcomes"].items() if outcome in good)


def _named(about: dict[str, Any] | None, good: list[str]) -> str:
    """How many of those that changed a meaning were named, or put right."""
    if about is None:
        return ""
    harmless = about["outcomes"].get(HARMLESS, 0)
    return f"{_count(about, good) - harmless} of {about['n'] - harmless}"


def _rest(about: dict[str, Any], good: list[str]) -> str:
    bad = {outcome: count for outcome, count in about["outcomes"].items() if outcome not in good}
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(bad.items()))


def _costs(stages: dict[str, dict[str, float]]) -> str:
    rows = [["stage", "units", "MB of inputs", "reading them, s", "the stages, s", "share"], ["---", *["---:"] * 5]]
    for name, about in stages.items():
        share = f"{about['checking'] / about['stage']:.1%}"
        sizes = (
            f"{about['units']}",
            f"{about['bytes'] / 1e6:.0f}",
            f"{about['checking']:.2f}",
            f"{about['stage']:.1f}",
        )
        rows.append([name, *sizes, share])
    rate = sum(about["checking"] for about in stages.values()) / sum(about["bytes"] for about in stages.values()) * 1e9
    said = f"{rate:.2f} s for a GB; by that, and not measured, LSUN-bedroom's {LSUN} GB take {rate * LSUN:.0f} s.\n"
    return f"{_markdown(rows)}\n{said}"
