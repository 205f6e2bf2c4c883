"""The README's table of training steps, from recorded rates."""

import json

import pytest

from ganflow.errors import UserError
from ganflow.stages import measured_steps

CASE = {
    "method": "WGAN-GP",
    "network": "dcgan, 32 px",
    "critic_steps": 5,
    "images_per_second": {"usual": [100, 50, 80], "ours": [150, 100, 96]},
    "operations": {"usual": 200, "ours": 150},
    "MiB": {"usual": "1000", "ours": "800"},
}
ABOUT = {
    "threads": 2,
    "width": 64,
    "images": 32,
    "rounds": 3,
    "arithmetic": "portable",
    "cpu": "A CPU",
    "torch": "2.1+cpu",
}


def test_ratios_are_those_of_one_round_and_the_conditions_stand_below(tmp_path, monkeypatch):
    monkeypatch.setattr(measured_steps, "FILE", tmp_path / "step.json")
    with pytest.raises(UserError, match="step.json: missing; run `python benchmarks/step.py --record`"):
        measured_steps.table()
    (tmp_path / "step.json").write_text(json.dumps({"about": ABOUT, "cases": [CASE]}))
    _, _, row, _, how = measured_steps.table().splitlines()
    assert row == "| WGAN-GP | dcgan, 32 px | 80 | 100 | 1.50 (1.20 to 2.00) | 0.75 | 0.80 |"
    assert "2 threads of an A CPU, torch 2.1; medians of 3" in how
