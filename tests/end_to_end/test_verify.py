"""verify: what is whole is called equal, and whatever was altered is named."""

import pytest

from ganflow.stages.cli import main

pytestmark = pytest.mark.slow
RUN = "results/tiny/runs/rendered_objects/wgan_gp/0"


def test_verify(reproduced, monkeypatch, capfd):
    clone = reproduced("clone")
    monkeypatch.chdir(clone.folder)

    def verify(*arguments: str, code: int = 0) -> str:
        """What it says, in this process, which has the clone's sources."""
        capfd.readouterr()
        assert main(["verify", *arguments]) == code
        said = capfd.readouterr()
        return said.out + said.err

    whole = verify()
    assert "17 units" in whole and whole.endswith("all equal\n")
    sampled = verify("--subset", "5%")
    assert sampled.endswith("all equal\n")
    assert float(sampled.split(" MB")[0].split()[-1]) < float(whole.split(" MB")[0].split()[-1])

    names = ("download rendered_objects", "train rendered_objects wgan_gp 0", "evaluate rendered_bedrooms dcgan 0")
    again = clone.run("python -m ganflow verify --rerun report " + " ".join(f"'{name}'" for name in names)).stdout
    assert all(f"{name}: equal\n" in again for name in (*names, "report"))
    assert "there is no unit 'nothing'" in verify("--rerun", "nothing", code=2)

    weights = clone.folder / RUN / "generator.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    (clone.folder / RUN / "journal.csv").unlink()
    (clone.folder / RUN / "stray.txt").write_text("not ours")
    damaged = verify(code=1)
    assert "Traceback" not in damaged
    assert f"{RUN}/generator.safetensors has the sha256" in damaged
    assert f"{RUN}/journal.csv is missing" in damaged
    assert f"{RUN}/stray.txt: not in the manifest" in damaged
    assert f"{RUN}: is not what dvc.lock records" in damaged
    assert "4 differ" in damaged and "dcgan" not in damaged

    clone.run(f"rm -r {RUN} && dvc checkout --quiet")
    assert verify() == whole
    clone.edit("params.yaml", "lr: 1.0e-4", "lr: 3.0e-4")
    stale = verify(code=1)
    assert "train rendered_objects wgan_gp 0: not what today's parameters, code" in stale


OTHER_CPU = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}
TRAIN = "train rendered_objects wgan_gp 0"


@pytest.mark.whole_processes
def test_settings_of_the_libraries_change_nothing_of_portable_arithmetic(reproduced):
    again = reproduced("clone").run(f"python -m ganflow verify --rerun '{TRAIN}'", **OTHER_CPU)
    assert f"{TRAIN}: equal" in again.stdout


@pytest.mark.whole_processes
def test_with_native_arithmetic_another_cpu_is_close_and_said_to_be_no_more(reproduced):
    """Libraries told to leave out the wider instructions round as an older CPU does."""
    clone = reproduced("clone")
    clone.edit("params.yaml", "device: cpu", "device: cpu, arithmetic: native")
    clone.run("dvc repro --quiet --single-item plan")
    clone.run(f"python -m ganflow {TRAIN}")
    again = clone.run(f"python -m ganflow verify --rerun '{TRAIN}' 'shard rendered_objects'", check=False, **OTHER_CPU)
    assert "shard rendered_objects: equal" in again.stdout
    if again.returncode == 0:
        pytest.skip("this CPU rounds alike with narrower instructions")
    assert again.returncode == 1
    assert "generator.safetensors (by" in again.stdout and ": close)" in again.stdout
    assert "not close" not in again.stdout


def test_what_is_published_is_compared_by_its_bytes(reproduced):
    """dvc.lock of the last commit against files that are equal, damaged, or made by other parameters."""
    clone = reproduced("clone")
    command = "python -m ganflow verify --published"
    none = clone.run(command, check=False)
    assert none.returncode == 2 and "the last commit of this folder has none" in none.stderr
    clone.run("git add --all && git commit --quiet --message results")
    commit = clone.run("git rev-parse --short HEAD").stdout.strip()
    sentence = f"17 of 17 artifacts equal those published in dvc.lock (commit {commit})"
    row, said = clone.run(command).stdout.splitlines()[::-1]
    assert said == sentence and row.startswith("docs/exactness.md: | ") and row.endswith("| 17 of 17 |")
    assert clone.run(f"{command} --brief").stdout == f"{sentence}\n"

    with (clone.folder / RUN / "journal.csv").open("a") as file:
        file.write("\n")
    damaged = clone.run(f"{command} --brief", check=False)
    assert damaged.returncode == 1
    assert "train rendered_objects wgan_gp 0: differs first: nothing that is recorded differs" in damaged.stdout
    assert (
        "16 of 17 artifacts equal" in damaged.stdout
        and 'verify --rerun "train rendered_objects wgan_gp 0"' in damaged.stdout
    )

    clone.run("dvc checkout --quiet --force")
    clone.edit("params.yaml", "lr: 1.0e-4", "lr: 3.0e-4")
    clone.run("dvc repro --quiet")
    edited = clone.run(f"{command} --brief", check=False)
    assert edited.returncode == 1 and "13 of 17 artifacts equal" in edited.stdout
    reasons = [line for line in edited.stdout.splitlines() if "differs first" in line]
    assert len(reasons) == 1 and "train rendered_objects wgan_gp 0: differs first: its parameters" in reasons[0]

    clone.edit("params.yaml", "device: cpu", "device: cpu, arithmetic: native")
    other = clone.run(f"{command} --brief", check=False)
    assert "differs first: its parameters" in other.stdout

    clone.edit("params.yaml", "experiment: tiny", "experiment: another")
    another = clone.run(f"{command} --brief", check=False)
    assert another.returncode == 2 and another.stdout == ""
    assert "publishes the experiment 'tiny', and params.yaml is of 'another', so there is nothing" in another.stderr
