"""A finished experiment in which nothing was computed, for tests of what stands around the stages."""

from pathlib import Path

import pytest
from made_up_units import copied, finished_in

from ganflow.stages.units import Unit


@pytest.fixture(scope="session")
def made_up(tmp_path_factory) -> tuple[Path, dict[str, Unit]]:
    """Its folder, not to be changed, and its units by name."""
    return finished_in(tmp_path_factory.mktemp("made up"))


@pytest.fixture
def known(made_up, tmp_path, monkeypatch) -> dict[str, Unit]:
    """The units of a copy, which is the current folder."""
    return copied(made_up, tmp_path / "work", monkeypatch)
