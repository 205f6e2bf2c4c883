"""Hundreds of mutants of each kind of file: read, or refused in one sentence, within bounds and without a trace.

They are read in a process of limited memory, whose working folder is the only place where anything may appear.
"""

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_shards import make

from ganflow.data import faults
from ganflow.data.formats.cifar10 import Cifar10
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.sources.rendered import Rendered

MUTANTS = 300  # of each kind of file
MEMORY = 1 << 30  # bytes of addresses, of which a process that has read good files has taken a third

READ = """
import gzip, json, resource, sys
from pathlib import Path
import numpy as np
from ganflow import artifacts
from ganflow.data.decoding import decode
from ganflow.data.formats.cifar10 import Cifar10
from ganflow.data.formats.lsun_bedroom import LsunBedroom
from ganflow.data.interfaces import CorruptImage
from ganflow.data.reader import Shards
from ganflow.errors import UserError

def mutants(content, count, seed):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        changed = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            at, size = int(rng.integers(len(changed) + 1)), int(rng.integers(1, 40))
            if rng.random() < 0.6:  # where headers, directories and meta pages are
                at = int(rng.choice([rng.integers(600), max(0, len(changed) - rng.integers(1, 400))]))
            match rng.integers(6):
                case 0: changed[at:at + 1] = bytes([1 << rng.integers(8) ^ (changed[at:at + 1] or b"\\0")[0]])
                case 1: changed[at:at + size] = rng.bytes(size)
                case 2: changed[at:at + 4] = rng.choice([b"\\xff" * 4, b"\\0" * 4, b"\\x7f\\xff\\xff\\xff"])
                case 3: del changed[at:at + size * int(rng.choice([1, 50]))]
                case 4: changed[at:at] = changed[at // 2:at // 2 + size]
                case 5: changed[at:at + size] = b"../../../outside"[:size]
        yield bytes(changed)

def cifar(content):
    (folder / "cifar-10-binary.tar.gz").write_bytes(gzip.compress(content, 1))
    [sample.image for sample in Cifar10().samples(folder, "train")]
    return Cifar10().check(folder / "cifar-10-binary.tar.gz")

def packed(content):
    (folder / "cifar-10-binary.tar.gz").write_bytes(content)
    return [sample.label for sample in Cifar10().samples(folder, "train")]

def lsun(content):
    path = folder / "bedroom_train_lmdb.zip"
    path.write_bytes(content)
    stated = LsunBedroom().check(path)
    for sample in LsunBedroom().samples(folder, "train"):
        try:
            sample.image
        except CorruptImage as corrupt:
            assert one_sentence(corrupt.reason)
    return stated

def image(content):
    return np.asarray(decode(content, "key")).tobytes()

def shard(content):
    (folder / "shards/toys-train-000000.tar").write_bytes(content)
    index = json.loads((good / "shards/index.json").read_text())
    index["shards"][0] |= {"bytes": len(content), "sha256": artifacts.digest_bytes(content)}
    (folder / "shards/index.json").write_text(json.dumps(index))
    found = Shards(folder / "shards")
    return found.samples(np.arange(3)).tobytes(), found.labels(np.arange(3)).tolist()

def one_sentence(text):
    return 4 < len(text) < 1000 and "\\n" not in text and " at 0x" not in text and "Traceback" not in text

good, folder = Path("good").resolve(), Path("work").resolve()
(folder / "shards").mkdir(parents=True)
for path in (good / "shards").iterdir():
    (folder / "shards" / path.name).write_bytes(path.read_bytes())
artifacts.SCRATCH = folder / "scratch"
kind, name, count, seed, memory = sys.argv[1:]
read, content = globals()[kind], (good / name).read_bytes()
same = read(content)
Path("/proc/self/clear_refs").write_text("5")  # forget the peak, which a process takes over from its parent
resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
said = {"read": 0, "refused": 0}
for number, mutant in enumerate(mutants(content, int(count), int(seed))):
    try:
        read(mutant)
        said["read"] += 1
    except (UserError, CorruptImage) as error:
        text = getattr(error, "reason", "") or str(error)
        assert one_sentence(text), (number, text)
        assert isinstance(error, CorruptImage) or str(folder) in text, (number, text)
        said["refused"] += 1
    except BaseException as error:
        raise AssertionError(f"mutant {number} of {name}") from error
assert read(content) == same, "what was good is read as before"
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
print(json.dumps(said | {"peak": peak}))
"""


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A folder with a small good file of each kind."""
    top = tmp_path_factory.mktemp("mutants")
    folder = top / "good"
    folder.mkdir()
    for form in (Cifar10(), LsunBedroom()):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(top)
            Rendered(train=5, validation=1).provide(form, folder)
    archive = folder / "cifar-10-binary.tar.gz"
    (folder / "cifar.tar").write_bytes(gzip.decompress(archive.read_bytes()))
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).resize((48, 40))
    for suffix in ("png", "webp", "jpg"):
        picture.save(folder / f"image.{suffix}")
    make(folder / "shards")
    return folder


KINDS = {
    "cifar": "cifar.tar",
    "packed": "cifar-10-binary.tar.gz",
    "lsun": "bedroom_train_lmdb.zip",
    "image": "image.png",
    "shard": "shards/toys-train-000000.tar",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name"), [*KINDS.items(), ("image", "image.webp"), ("image", "image.jpg")], ids=lambda value: value
)
def test_mutants(good, tmp_path, kind, name):
    (tmp_path / "inside/good").parent.mkdir()
    shutil.copytree(good, tmp_path / "inside/good")
    before = {path.name for path in tmp_path.iterdir()}
    environment = {"PYTHONPATH": str(Path(faults.__file__).parents[2]), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-c", READ, kind, name, str(MUTANTS), "0", str(MEMORY)]
    done = subprocess.run(command, cwd=tmp_path / "inside", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    assert said["read"] + said["refused"] == MUTANTS and said["refused"] > MUTANTS // 3
    assert said["peak"] < 200 << 20, said
    assert {path.name for path in tmp_path.iterdir()} == before
    assert {path.name for path in (tmp_path / "inside").iterdir()} == {"good", "work"}
    assert not [path for path in tmp_path.rglob("*") if "outside" in path.name]
