"""The tables of faults, from recorded counts."""

import json

import pytest

from ganflow.errors import UserError
from ganflow.stages import measured_faults

ATTACKS = {
    "cut: verify": {"n": 12, "outcomes": {"named": 9, "harmless": 2, "silent": 1}, "seconds": 100, "harm": []},
    "cut: dvc": {"n": 3, "outcomes": {"named": 1, "put right": 2}, "seconds": 30, "harm": []},
    "kill: train": {"n": 30, "outcomes": {"equal": 28, "torn": 2}, "seconds": 45, "harm": []},
    "untouched: verify": {"n": 4, "outcomes": {"harmless": 4}, "seconds": 5, "harm": []},
}
ABOUT = {"cpu": "A CPU", "python": "3.11.7", "versions": {"dvc": "3.67"}}
COST = {"train": {"units": 2, "bytes": 2e9, "checking": 1.0, "stage": 50.0}}


def test_harmless_damage_counts_in_neither_and_what_went_wrong_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(measured_faults, "FILE", tmp_path / "faults.json")
    with pytest.raises(UserError, match="faults.json: missing; run `python benchmarks/faults.py --record`"):
        measured_faults.table()
    content = {"about": ABOUT, "attacks": ATTACKS, "good": ["equal", "named", "harmless", "put right"], "costs": COST}
    (tmp_path / "faults.json").write_text(json.dumps(content))
    lines = measured_faults.table().splitlines()
    assert "| cut |  | 9 of 10 |  | 3 of 3 |  |  |  |  |  |" in lines
    assert "| kill: train | 30 | 28 | 2 torn |" in lines and "| untouched: verify | 4 | 4 |  |" in lines
    assert "| train | 2 | 2000 | 1.00 | 50.0 | 2.0% |" in lines
    assert "0.50 s for a GB; by that, and not measured, LSUN-bedroom's 45.9 GB take 23 s." in lines
    assert lines[-1] == "49 trials, 3 min if one follows the other. A CPU, Python 3.11.7, dvc 3.67."
