"""Every source with every format: it provides the same archives each time, or says beforehand why it can't."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from ganflow import artifacts
from ganflow.components import component_class, names
from ganflow.data import SPLITS
from ganflow.data.interfaces import Format, Source
from ganflow.errors import UserError

SHAPES = {False: (32, 32, 3), True: (2,)}  # of samples, by whether they are points


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "SCRATCH", tmp_path / "scratch")


def example(name: str) -> Source:
    """A source with the examples of the settings that have no default, and few samples."""
    found = component_class(Source, name, "where")
    fields = found.model_fields
    settings = {key: field.examples[0] for key, field in fields.items() if field.is_required()}
    return found.model_validate(settings | {key: 20 for key in SPLITS if key in fields})


@pytest.mark.parametrize("form", names(Format))
@pytest.mark.parametrize("name", names(Source))
def test_every_source_provides_every_format_or_says_why_not(name, form, tmp_path):
    source, made = example(name), component_class(Format, form, "where")()
    reason = source.refusal(made, SHAPES[made.points])
    if reason is not None:
        assert len(reason) > 20 and "\n" not in reason
        return
    named, counts = source.named(made), source.counts(made)
    assert all(find_spec(module) for module in source.modules(made))
    assert counts is None or set(counts) == set(SPLITS)
    if named is not None:  # the archives lie elsewhere, and their addresses and digests name every byte
        assert named and json.loads(json.dumps(named)) == named
        return
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        source.provide(made, tmp_path / folder)
    for archive in made.archives:
        assert (tmp_path / "one" / archive.name).read_bytes() == (tmp_path / "other" / archive.name).read_bytes()
    assert {split: len(list(made.samples(tmp_path / "one", split))) for split in SPLITS} == counts


@pytest.mark.parametrize("name", names(Source))
def test_archives_of_another_format_are_refused_with_a_sentence(name, tmp_path):
    source = example(name)
    for form in map(lambda found: component_class(Format, found, "where")(), names(Format)):
        archives = {archive.name for archive in form.archives}
        asked = getattr(source, "archives", None)
        if asked is not None and not archives & asked.keys():
            with pytest.raises(UserError, match="the format has no such archive"):
                source.provide(form, Path(tmp_path))
