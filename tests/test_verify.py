"""verify: what is whole is called equal, and whatever was altered is named."""

import pytest

pytestmark = pytest.mark.slow
RUN = "results/tiny/runs/rendered_objects/dcgan/0"


def test_verify(clone):
    clone.run("dvc repro --quiet")
    whole = clone.run("python -m ganflow verify").stdout
    assert "15 units" in whole and whole.endswith("all equal\n")
    sampled = clone.run("python -m ganflow verify --subset 5%").stdout
    assert sampled.endswith("all equal\n")
    assert float(sampled.split(" MB")[0].split()[-1]) < float(whole.split(" MB")[0].split()[-1])

    for name in (
        "download rendered_objects",
        "train rendered_objects dcgan 0",
        "evaluate rendered_objects dcgan 0",
        "report",
    ):
        assert f"{name}: equal" in clone.run(f"python -m ganflow verify --rerun '{name}'").stdout
    unknown = clone.run("python -m ganflow verify --rerun nothing", check=False)
    assert unknown.returncode == 2 and "there is no unit 'nothing'" in unknown.stderr

    weights = clone.folder / RUN / "generator.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    (clone.folder / RUN / "journal.csv").unlink()
    (clone.folder / RUN / "stray.txt").write_text("not ours")
    damaged = clone.run("python -m ganflow verify", check=False)
    assert damaged.returncode == 1 and "Traceback" not in damaged.stderr
    assert f"{RUN}/generator.safetensors: has the sha256" in damaged.stdout
    assert f"{RUN}/journal.csv: missing" in damaged.stdout
    assert f"{RUN}/stray.txt: not in the manifest" in damaged.stdout
    assert f"{RUN}: is not what dvc.lock records" in damaged.stdout
    assert "4 differ" in damaged.stdout and "wgan_gp" not in damaged.stdout

    clone.run(f"rm -r {RUN} && dvc checkout --quiet")
    assert clone.run("python -m ganflow verify").returncode == 0
    clone.edit("params.yaml", "lr: 2.0e-4", "lr: 3.0e-4")
    stale = clone.run("python -m ganflow verify", check=False)
    assert stale.returncode == 1
    assert "train rendered_objects dcgan 0: made by other parameters, code or versions than today's" in stale.stdout
