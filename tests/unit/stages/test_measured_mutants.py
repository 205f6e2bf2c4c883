"""The record of mutants: it is of the modules as they are, and says of each survivor why no test can see it."""

import json

import pytest
from mutation.targets import TARGETS
from repository import TOP

from ganflow.errors import UserError
from ganflow.stages import measured_mutants

RECORD = json.loads((TOP / measured_mutants.FILE).read_text())
SURVIVOR = {"module": "a.py", "line": 7, "operator": "NeverTrue", "source": "if a | b:", "mutant": "if False:"}
ABOUT = {"tool": "cosmic-ray 8", "cpu": "A CPU", "python": "3.11.7", "pytest": "9"}
MODULES = {
    "a.py": {"guards": {"n": 9, "killed": 8}, "others": {"n": 2, "killed": 2}},
    "b.py": {"guards": {"n": 1, "killed": 1}},
}


def test_the_table_counts_modules_and_kinds_and_names_survivors_with_their_reasons(tmp_path, monkeypatch):
    monkeypatch.setattr(measured_mutants, "FILE", tmp_path / "mutation.json")
    with pytest.raises(UserError, match="mutation.json: missing; run `make mutation`"):
        measured_mutants.table()
    swapped = SURVIVOR | {"line": 9, "operator": "SwapStatements", "why": "either may be first"}
    content = {"about": ABOUT, "modules": MODULES, "survivors": [SURVIVOR | {"why": "it is never so"}, swapped]}
    (tmp_path / "mutation.json").write_text(json.dumps(content))
    lines = measured_mutants.table().splitlines()
    assert "| `a.py` | 9 | 8 | 2 | 2 |" in lines and "| `b.py` | 1 | 1 |  |  |" in lines
    assert "| all | 10 | 9 | 2 | 2 |" in lines
    assert r"| `a.py:7` | `if a \| b:` → `if False:` | it is never so |" in lines
    assert "| `a.py:9` | it and the statement after it change places | either may be first |" in lines
    assert lines[-1] == "cosmic-ray 8, A CPU, Python 3.11.7, pytest 9."


def test_every_module_was_tried_and_every_test_that_judges_is_there():
    assert RECORD["modules"].keys() == {target.module for target in TARGETS}
    assert all((TOP / test).is_file() for target in TARGETS for test in target.tests)
    assert all(about["guards"]["n"] for about in RECORD["modules"].values())


@pytest.mark.parametrize("survivor", RECORD["survivors"], ids=lambda one: f"{one['module']}:{one['line']}")
def test_a_survivor_is_of_the_module_as_it_is_and_has_a_reason(survivor):
    """Who changes such a line tries its mutants again."""
    lines = [line.strip() for line in (TOP / "src/ganflow" / survivor["module"]).read_text().splitlines()]
    assert survivor["source"] in " ".join(lines) and survivor["why"]
    assert lines[survivor["line"] - 1] in survivor["source"]  # else the table names another line
