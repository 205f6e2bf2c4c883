"""Tables in docs that are generated from the code: each between `<!-- ganflow schema: NAME -->` and `<!-- end -->`."""

import re
from pathlib import Path

from ganflow.artifacts import write_file
from ganflow.stages import component_tables, invalidation

DOCS = Path("docs")
MARKED = re.compile(r"(<!-- ganflow schema: ([a-z.]+) -->\n).*?(<!-- end -->)", re.DOTALL)
TABLES = {"invalidation": invalidation.table}  # and those of components, by their folders


def write_tables() -> None:
    """Brings the tables of every page up to date."""
    for page in sorted(DOCS.glob("*.md")):
        before = page.read_text(encoding="utf-8")
        if (after := with_tables(before)) != before:
            write_file(page, after)


def with_tables(page: str) -> str:
    """A page with each of its tables made anew."""
    return MARKED.sub(lambda found: found[1] + _table(found[2]) + found[3], page)


def _table(name: str) -> str:
    return TABLES[name]() if name in TABLES else component_tables.table(name)
