"""The tables of components in docs/methods.md, generated from what stands on the components."""

from ganflow.components import component_names, named_class

BAR = r"\|"  # within a cell
TABLES = {  # folder: heads of the columns, and the facts on the components that fill them
    "methods.recipes": (("method", "what it is"), ("about",)),
    "methods.objectives": (("objective", "critic and generator minimise", "from"), ("formula", "source")),
    "methods.constraints": (("constraint", "what it does", "from"), ("effect", "source")),
    "methods.optimizers": (("optimiser", "what it is"), ("about",)),
    "methods.conditionings": (("conditioning", "classes enter"), ("effect",)),
    "networks.families": (("network", "what it is"), ("about",)),
}


def table(folder: str) -> str:
    """The Markdown table of the components in a folder: their names, and what they say of themselves."""
    heads, facts = TABLES[folder]
    rows = [heads, ("---",) * len(heads)]
    for name in component_names(folder):
        found = named_class(folder, name, folder)
        rows.append((f"`{name}`", *(getattr(found, fact) for fact in facts)))
    return "".join(f"| {' | '.join(cell.replace('|', BAR) for cell in row)} |\n" for row in rows)
