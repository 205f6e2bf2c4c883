"""Tables in the README and docs that are generated: each between `<!-- ganflow schema: NAME -->` and `<!-- end -->`."""

import re
from pathlib import Path

from ganflow.artifacts import write_file
from ganflow.components import component_names, named_class
from ganflow.stages import invalidation, measured_faults, measured_mutants, measured_steps, published_scores

DOCS = Path("docs")
README = Path("README.md")
MARKED = re.compile(r"(<!-- ganflow schema: ([a-z.]+) -->\n).*?(<!-- end -->)", re.DOTALL)
BAR = r"\|"  # within a cell
GENERATED = {
    "invalidation": invalidation.table,
    "scores": published_scores.table,
    "steps": measured_steps.table,
    "faults": measured_faults.table,
    "mutation": measured_mutants.table,
}
TABLES = {  # folder of components: column headers, and the class variables that fill them
    "methods.recipes": (("method", "what it is"), ("about",)),
    "methods.objectives": (("objective", "critic and generator minimise", "from"), ("formula", "source")),
    "methods.constraints": (("constraint", "what it does", "from"), ("effect", "source")),
    "methods.optimizers": (("optimiser", "what it is"), ("about",)),
    "methods.conditionings": (("conditioning", "use of classes"), ("effect",)),
    "data.conditions": (("condition", "what it is"), ("about",)),
    "networks.families": (("network", "what it is"), ("about",)),
}


def write_tables() -> None:
    """Updates the tables of every page."""
    for page in pages():
        before = page.read_text(encoding="utf-8")
        if (after := with_tables(before)) != before:
            write_file(page, after)


def pages() -> list[Path]:
    """The pages that may hold tables; none where the package is installed without its repository."""
    return [page for page in (README, *sorted(DOCS.glob("*.md"))) if page.is_file()]


def with_tables(page: str) -> str:
    """The text of a page with its tables generated."""
    return MARKED.sub(lambda found: found[1] + _table(found[2]) + found[3], page)


def _table(name: str) -> str:
    if name in GENERATED:
        return GENERATED[name]()
    heads, facts = TABLES[name]
    rows = [heads, ("---",) * len(heads)]
    for component in component_names(name):
        found = named_class(name, component, name)
        rows.append((f"`{component}`", *(getattr(found, fact) for fact in facts)))
    return "".join(f"| {' | '.join(cell.replace('|', BAR) for cell in row)} |\n" for row in rows)
