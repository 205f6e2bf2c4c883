"""Tables in the README and docs that are generated: each between `<!-- ganflow schema: NAME -->` and `<!-- end -->`."""

import re
from pathlib import Path

from ganflow.artifacts import write_file
from ganflow.stages import component_tables, invalidation, published_scores

DOCS = Path("docs")
README = Path("README.md")
MARKED = re.compile(r"(<!-- ganflow schema: ([a-z.]+) -->\n).*?(<!-- end -->)", re.DOTALL)
# those of components besides, by their folders
TABLES = {
    "invalidation": invalidation.table,
    "scores": published_scores.table,
}


def write_tables() -> None:
    """Brings the tables of every page up to date."""
    for page in pages():
        before = page.read_text(encoding="utf-8")
        if (after := with_tables(before)) != before:
            write_file(page, after)


def pages() -> list[Path]:
    """The pages that may hold tables; none where the package is installed without its repository."""
    return [page for page in (README, *sorted(DOCS.glob("*.md"))) if page.is_file()]


def with_tables(page: str) -> str:
    """A page with each of its tables made anew."""
    return MARKED.sub(lambda found: found[1] + _table(found[2]) + found[3], page)


def _table(name: str) -> str:
    return TABLES[name]() if name in TABLES else component_tables.table(name)
