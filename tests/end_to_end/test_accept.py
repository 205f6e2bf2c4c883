"""accept: a change that computes the same is signed and runs nothing again; any other is refused, changing nothing."""

import json
import re

import pytest

pytestmark = pytest.mark.slow

SHARD, TRAIN = "shard rendered_objects", "train rendered_objects wgan_gp 0"
STAGES = {"shard@rendered_objects", "train@rendered_objects-wgan_gp-0"}
FOLDERS = ("data/shards/rendered_objects", "results/tiny/runs/rendered_objects/wgan_gp/0")
NEUTRAL = "\nUNUSED = 1\n"
NOT_NEUTRAL = "\nBACKWARD = Tensor.backward\nTensor.backward = lambda loss: BACKWARD(1.001 * loss)\n"


def test_accept(clone):
    clone.edit("params.yaml", "iterations: 6,", "iterations: 12,")  # so that the first checkpoint is not the last
    clone.run("dvc repro --quiet train@rendered_objects-wgan_gp-0")
    files = [clone.folder / name / "manifest.json" for name in FOLDERS] + [clone.folder / "dvc.lock"]
    loop = clone.folder / "src/ganflow/training/loop.py"
    source, signed = loop.read_text(), [file.read_text() for file in files]
    with (clone.folder / "src/ganflow/data/writing.py").open("a") as file:
        file.write(NEUTRAL)

    def refused(names: str, code: int, stdout: str = "", stderr: str = "") -> None:
        done = clone.run(f"python -m ganflow accept {names}", check=False)
        assert done.returncode == code, done.stderr
        assert re.search(stdout, done.stdout) and re.search(stderr, done.stderr)
        assert [file.read_text() for file in files] == signed

    refused("'train rendered_bedrooms dcgan 0'", 2, stderr="is not finished, nothing to accept")

    loop.write_text(source + NOT_NEUTRAL)
    said = f"^{SHARD}: equal\n{TRAIN}: .*differs when recomputed, so the change has an effect; nothing is accepted\n$"
    refused("", 1, said)

    loop.write_text(source + NEUTRAL)
    weights = clone.folder / FOLDERS[1] / "generator.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refused(f"'{TRAIN}'", 1, f"^{TRAIN}: .*generator.safetensors has the sha256 .*; nothing is accepted\n$")
    weights.write_bytes(content)

    clone.edit("params.yaml", "lr: 1.0e-4", "lr: 3.0e-4")
    refused(
        f"'{TRAIN}'", 2, stderr="other changes than its code: optimizer.settings.lr 0.0001 -> 0.0003; run `dvc repro`"
    )
    clone.edit("params.yaml", "lr: 3.0e-4", "lr: 1.0e-4")

    done = clone.run("python -m ganflow accept")
    assert done.stdout == f"{SHARD}: equal\n{TRAIN}: equal\n2 units accepted; commit dvc.lock\n"
    for file, before in zip(files[:2], signed, strict=False):
        one, other = json.loads(before), json.loads(file.read_text())
        assert {key for key in one if one[key] != other[key]} == {"code", "digest", "fingerprint", "manifest"}
    assert not STAGES & set(json.loads(clone.run("dvc status --json").stdout))
    planned = clone.run("snakemake --dry-run --cores 1 --printshellcmds")
    assert "shard@rendered_bedrooms" in (said := planned.stdout + planned.stderr)
    assert not STAGES & set(re.findall(r"workflow\.job +(?:--force )?(\S+)", said))
