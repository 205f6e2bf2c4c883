"""The tables of docs/mutation.md: from benchmarks/mutation.json, which `make mutation` writes."""

from pathlib import Path
from typing import Any

from ganflow.artifacts import read_json
from ganflow.errors import UserError

FILE = Path("benchmarks/mutation.json")
KINDS = ("guards", "others")
BAR = r"\|"  # within a cell


def table() -> str:
    """Markdown: how many mutants of each module fail a test; each that fails none, and why; how it was measured."""
    if not FILE.is_file():
        raise UserError(f"{FILE}: missing; run `make mutation`")
    found = read_json(FILE)
    counts: dict[str, dict[str, dict[str, int]]] = found["modules"]
    rows = [["module", "of guards", "fail a test", "others", "fail a test"], ["---", *["---:"] * 4]]
    rows += [[f"`{module}`", *_cells(about)] for module, about in counts.items()]
    total = {
        kind: {key: sum(about.get(kind, {}).get(key, 0) for about in counts.values()) for key in ("n", "killed")}
        for kind in KINDS
    }
    rows.append(["all", *_cells(total)])
    survivors = [["where", "change that no test sees", "why"], ["---", "---", "---"]]
    survivors += [[f"`{one['module']}:{one['line']}`", _change(one), one["why"]] for one in found["survivors"]]
    about = found["about"]
    how = f"{about['tool']}, {about['cpu']}, Python {about['python']}, pytest {about['pytest']}.\n"
    return "\n".join([_markdown(rows), _markdown(survivors), how])


def _cells(about: dict[str, dict[str, int]]) -> list[str]:
    return [str(about[kind][key]) if kind in about else "" for kind in KINDS for key in ("n", "killed")]


def _change(one: dict[str, Any]) -> str:
    """The change of a line: what was there, and what stood in its place."""
    if one["operator"] == "SwapStatements":
        return "it and the statement after it change places"
    return f"`{one['source']}` → `{one['mutant']}`".replace("|", BAR)


def _markdown(rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
