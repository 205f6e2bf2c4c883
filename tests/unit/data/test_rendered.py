"""Drawings in the official formats: equal bytes everywhere, and splits that share no drawing."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from archives import refused
from archives import scratch as scratch  # a fixture that every test here uses

from ganflow.data.formats import cifar10
from ganflow.data.formats.cifar10 import Cifar10
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.sources.rendered import Rendered


def test_absent_archives(tmp_path):
    refused(Cifar10(), tmp_path, "no such archive")
    refused(LsunBedroom(), tmp_path, "no such archive")


RENDER = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
os.umask(int(sys.argv[2], 8))
from ganflow.data.formats.cifar10 import Cifar10
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.sources.rendered import Rendered
os.makedirs(sys.argv[1]); os.chdir(sys.argv[1])
for form in (Cifar10(), LsunBedroom()):
    Rendered(train=25, validation=7, seed=3).provide(form, Path("."))
"""


@pytest.mark.slow
def test_rendered_archives_are_equal_bytes_everywhere(tmp_path):
    digests = []
    for name, changes, umask in (
        ("a", {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "MALLOC_PERTURB_": "85"}, "022"),
        ("b", {"PYTHONHASHSEED": "2", "TZ": "UTC", "LC_ALL": "C", "MALLOC_PERTURB_": "170"}, "077"),
    ):
        source = Path(cifar10.__file__).parents[3]
        environment = os.environ | changes | {"PYTHONPATH": str(source)}
        subprocess.run([sys.executable, "-c", RENDER, tmp_path / name, umask], env=environment, check=True)
        files = sorted((tmp_path / name).glob("*.*"))
        digests.append({file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files})
    assert digests[0] == digests[1]
    assert len(digests[0]) == 3


def test_rendered_splits_differ_and_do_not_depend_on_counts(tmp_path):
    found = {}
    for train, validation in ((10, 10), (5, 4)):
        folder = tmp_path / str(train)
        folder.mkdir()
        Rendered(train=train, validation=validation).provide(Cifar10(), folder)
        found[train] = {
            split: [sample.image.tobytes() for sample in Cifar10().samples(folder, split)]
            for split in ("train", "validation")
        }
    assert found[5]["train"] == found[10]["train"][:5]
    assert found[5]["validation"] == found[10]["validation"][:4]
    assert not set(found[10]["train"]) & set(found[10]["validation"])
