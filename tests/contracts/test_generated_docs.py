"""Tables in docs that are generated from the code are up to date, and none is without its page."""

import re

import pytest
from repository import TOP

from ganflow.stages import docs, invalidation

PAGES = [TOP / docs.README, *sorted((TOP / docs.DOCS).glob("*.md"))]
PAGES = [path for path in PAGES if docs.MARKED.search(path.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_generated_tables_are_up_to_date(page, monkeypatch):
    monkeypatch.chdir(TOP)
    assert docs.with_tables(page.read_text()) == page.read_text(), "run `python -m ganflow schema`"


def test_every_table_stands_in_one_page():
    named = re.findall(r"<!-- ganflow schema: ([a-z.]+) -->", "".join(page.read_text() for page in PAGES))
    assert sorted(named) == sorted([*docs.TABLES, *docs.GENERATED])


def test_every_module_is_in_the_table_of_invalidation(monkeypatch):
    monkeypatch.chdir(TOP)
    named = {line.split("`")[1].replace("/", ".") for line in invalidation.table().splitlines()[2:]}
    files = [path.relative_to(TOP / "src/ganflow") for path in (TOP / "src/ganflow").rglob("*.py")]
    modules = [".".join(path.with_suffix("").parts) for path in files if path.name != "__init__.py"]
    covered = {module for module in modules if module in named or f"{module.rpartition('.')[0]}.*" in named}
    assert covered == set(modules)
