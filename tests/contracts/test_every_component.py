"""Every component that params.yaml chooses by name: settings with descriptions, docstrings, and facts for the docs."""

import inspect
import re
import sys
from functools import cache

import pytest
from repository import TOP

from ganflow.components import Component, component_names, named_class
from ganflow.data.interfaces import Condition, Distribution, Format, Source
from ganflow.evaluation.interfaces import Extractor, Metric
from ganflow.methods.components import Conditioning, Constraint, Objective
from ganflow.methods.interfaces import Method, Optimizer
from ganflow.networks.interfaces import Network
from ganflow.stages.docs import TABLES, with_tables
from ganflow.stages.schema import schema
from ganflow.studies.interfaces import Study

KINDS = (Format, Source, Distribution, Network, Objective, Constraint, Conditioning, Optimizer, Method)
KINDS += (Condition, Metric, Extractor, Study)
EVERY = [(kind, name) for kind in KINDS for name in component_names(kind.folder)]


@pytest.mark.parametrize(("kind", "name"), EVERY, ids=[f"{kind.__name__}-{name}" for kind, name in EVERY])
def test_every_component_keeps_the_contract(kind, name):
    found = named_class(kind.folder, name, "where")
    assert issubclass(found, kind) and re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert found.__doc__ and "__doc__" in vars(found) and inspect.getmodule(found).__doc__
    for key, field in found.model_fields.items():
        assert field.description, f"{name}.{key} is not described"
    with pytest.raises(Exception, match="Extra inputs"):
        found(unknown_setting=1)
    required = {key: (field.examples or [None])[0] for key, field in found.model_fields.items() if field.is_required()}
    assert None not in required.values(), f"{name}: a setting without a default has examples"
    made = found.model_validate(required)
    assert found.model_validate(made.model_dump()) == made
    for fact in TABLES.get(kind.folder, ((), ()))[1]:
        said = vars(found).get(fact)
        assert isinstance(said, str) and "\n" not in said, f"{name} has no {fact}: it stands in docs/methods.md"
        assert said or fact == "source"


def test_every_kind_is_here():
    def below(kind: type[Component]) -> set[type[Component]]:
        return {kind}.union(*(below(sub) for sub in kind.__subclasses__()))

    declared = {kind for kind in below(Component) if "folder" in vars(kind)}
    ours = {kind for kind in declared if kind.__module__ in sys.modules and kind.__module__.startswith("ganflow.")}
    assert ours == set(KINDS)
    folders = {".".join(path.relative_to(TOP / "src/ganflow").parts) for path in (TOP / "src/ganflow").glob("*/*/")}
    tables = {
        folder
        for folder in folders
        if folder.startswith(("methods.", "networks.", "data.conditions")) and "_" not in folder
    }
    assert tables == set(TABLES), "each kind of methods, networks and conditions has a table in the docs"


def test_the_pages_on_methods_and_data_name_every_component():
    for folder in TABLES:
        page = (TOP / f"docs/{'data' if folder.startswith('data.') else 'methods'}.md").read_text(encoding="utf-8")
        assert all(f"| `{name}` |" in page for name in component_names(folder))


def test_a_table_is_made_anew_whatever_it_held():
    page = "# x\n<!-- ganflow schema: methods.conditionings -->\n| old |\n<!-- end -->\nrest\n"
    made = with_tables(page)
    assert made.startswith("# x\n<!-- ganflow schema: methods.conditionings -->\n| conditioning | use of classes |\n")
    assert made.endswith("<!-- end -->\nrest\n") and "old" not in made and with_tables(made) == made


@cache
def told_to_editors() -> str:
    """The schema that editors check params.yaml by, as text."""
    return str(schema()).replace("\\'", "'")


@pytest.mark.parametrize(("kind", "name"), EVERY, ids=[f"{kind.__name__}-{name}" for kind, name in EVERY])
def test_editors_know_every_component_and_its_settings(kind, name):
    text = told_to_editors()
    assert f"'{name}'" in text
    for key, field in named_class(kind.folder, name, "where").model_fields.items():
        assert f"'{key}'" in text and field.description in text
