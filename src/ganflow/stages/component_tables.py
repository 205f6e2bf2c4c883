"""The tables of components in docs/methods.md, generated from what stands on the components."""

import re
import sys
from pathlib import Path

from ganflow.components import Component, component_names, named_class

BAR = r"\|"  # within a cell
PAGE = Path("docs/methods.md")
HEADS = {
    "methods.recipes": ("method", "what it is"),
    "methods.objectives": ("objective", "critic and generator minimise", "from"),
    "methods.constraints": ("constraint", "what it does", "from"),
    "methods.optimizers": ("optimiser", "what it is"),
    "methods.conditionings": ("conditioning", "classes enter"),
    "networks.families": ("network", "what it is"),
}
TABLE = re.compile(r"(<!-- ganflow schema: ([a-z.]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(page: str) -> str:
    """A page with each of its tables, between `<!-- ganflow schema: FOLDER -->` and `<!-- end -->`, made anew."""
    return TABLE.sub(lambda found: found[1] + table(found[2]) + found[3], page)


def table(folder: str) -> str:
    """The Markdown table of the components in a folder: their names, and what they say of themselves."""
    heads = HEADS[folder]
    rows = [heads, ("---",) * len(heads)]
    for name in component_names(folder):
        found = named_class(folder, name, folder)
        rows.append((f"`{name}`", _what(found), *((found.source,) if len(heads) > 2 else ())))
    return "".join(f"| {' | '.join(cell.replace('|', BAR) for cell in row)} |\n" for row in rows)


def _what(found: type[Component]) -> str:
    """Its formula or its effect; for others the first sentence of its module."""
    said = getattr(found, "formula", None) or getattr(found, "effect", None)
    if said:
        return said
    text = " ".join((sys.modules[found.__module__].__doc__ or "").partition("\n\n")[0].split())
    return re.split(r"\.(?= [A-Z]|$)", text)[0]
