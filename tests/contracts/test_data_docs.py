"""docs/data.md: its line for plain webdataset runs, and its table of hours and disk is what the function gives."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from repository import TOP
from small_shards import CLASSES, arrays, samples

from ganflow.data.costs import full_size_cost
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.writing import write_shards

TEXT = (TOP / "docs/data.md").read_text()


@pytest.mark.slow
def test_the_line_for_plain_webdataset(tmp_path):
    pytest.importorskip("webdataset")
    [program] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    folder = tmp_path / "data/shards/rendered_objects/train"
    about = {"dataset": "rendered_objects", "split": "train", "shape": (8, 8, 3), "shard_size": 4, "classes": CLASSES}
    write_shards(samples(arrays(12), np.arange(12)), folder, **about)
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{index:08d} (8, 8, 3) {index}" for index in range(12)]


def test_the_table_of_hours_and_disk():
    [rates] = re.findall(r"one core's measured rate \(([^)]*)\)", TEXT)
    for resolution, encoding, rate in re.findall(r"(\d+) px (\w+): ([\d,]+)", rates):
        for cores in (8, 32):
            cost = full_size_cost(LsunBedroom(), int(resolution), encoding, cores, float(rate.replace(",", "")))
            sizes = [cost.archives, cost.extracted, cost.shards, cost.peak, cost.peak_with_copies]
            row = [f"{resolution} px, {encoding}", str(cores), f"{60 * cost.hours:.0f}"]
            assert f"| {' | '.join(row + [f'{size / 1e9:,.0f}' for size in sizes])} |" in TEXT
    assert len(re.findall(r"^\| \d+ px, (?:raw|webp) \| \d+ \|", TEXT, re.MULTILINE)) == 8
