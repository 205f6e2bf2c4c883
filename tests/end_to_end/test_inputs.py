"""What a stage reads is what its inputs' manifests vouch for: damage of every kind is named before anything is
computed, and the cure that is told puts it right."""

import random
import re
from pathlib import Path

import pytest
from damage import flip
from fault_injection.corruption import DAMAGE, Damaged, another_shape, applies
from plain_reports import undrawn

from ganflow import config
from ganflow.artifacts import MANIFEST
from ganflow.errors import UserError
from ganflow.stages.cli import main
from ganflow.stages.inputs import check_inputs
from ganflow.stages.units import Unit, units

RUN = "results/tiny/runs/rendered_objects/wgan_gp/0"


def of_experiment() -> list[Unit]:
    return list(units(config.load(), "cpu"))


@pytest.mark.parametrize("kind", DAMAGE)
def test_every_file_of_every_input_is_read_by_the_stage_that_opens_it(finished, kind):
    """Every file of the finished experiment that any stage has as its input, altered alone."""
    readers = {folder: unit for unit in of_experiment() for folder in unit.inputs}
    tried = 0
    for folder, unit in readers.items():
        check_inputs(unit)  # no false alarm
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and applies(DAMAGE[kind], path)):
            for number in range(4 if DAMAGE[kind] is another_shape else 1):
                with Damaged(path, DAMAGE[kind], number) as damaged:
                    if path.name == MANIFEST and damaged.same:
                        continue
                    with pytest.raises(UserError) as refused:
                        check_inputs(unit)
                    assert str(folder if path.name == MANIFEST else path) in str(refused.value), refused.value
                    tried += 1
        check_inputs(unit)
    assert tried >= 100


@pytest.mark.parametrize("kind", DAMAGE)
def test_verify_names_a_file_of_each_output(finished, capfd, kind):
    """One file of each unit's output, drawn."""
    draw = random.Random(kind)
    with undrawn():
        assert main(["report"]) == 0
    for unit in of_experiment():
        path = draw.choice(sorted(path for path in unit.output.rglob("*") if path.is_file()))
        if not applies(DAMAGE[kind], path):
            path = unit.output / MANIFEST
        capfd.readouterr()
        with Damaged(path, DAMAGE[kind], 0) as damaged:
            assert main(["verify"]) == 1 or (path.name == MANIFEST and damaged.same)
            named = unit.output if path.name == MANIFEST else path
            assert str(named) in capfd.readouterr().out or damaged.same
    assert main(["verify"]) == 0


def test_a_file_that_no_manifest_names_is_refused(finished):
    stray = Path("data/shards/rendered_objects/train/stray.txt")
    stray.write_text("not ours")
    with pytest.raises(
        UserError,
        match="stray.txt is not in its manifest; run `python -m ganflow verify --repair data/shards/rendered_objects`",
    ):
        check_inputs(next(unit for unit in of_experiment() if unit.stage == "train"))


@pytest.mark.parametrize(
    "content", ["[]", "{}", "null", "NaN", '{"outputs": {"a": 1}}', '{"outputs": {"a": {}}}', "1" * 400]
)
def test_a_manifest_of_another_shape_is_told_in_a_sentence(finished, capfd, content):
    (Path(RUN) / MANIFEST).write_text(content)
    assert main(["evaluate", "rendered_objects", "wgan_gp", "0"]) == 2
    said = capfd.readouterr().err
    assert f"{RUN}/{MANIFEST}: " in said and "Traceback" not in said
    assert main(["verify"]) == 1
    said = capfd.readouterr().out
    assert f"{RUN}/{MANIFEST}: " in said and "units" in said.splitlines()[-1]  # and the rest was checked


def test_a_stage_that_refuses_its_input_keeps_its_old_output(finished, capfd):
    score = Path("results/tiny/scores/rendered_objects/wgan_gp/0/score.json")
    before = score.read_bytes()
    flip(Path(RUN) / "generator_ema.safetensors")
    assert main(["evaluate", "rendered_objects", "wgan_gp", "0"]) == 2
    assert "evaluate rendered_objects wgan_gp 0: its input " in capfd.readouterr().err and score.read_bytes() == before


@pytest.mark.slow
def test_the_cure_puts_a_kept_date_right_with_the_scores_of_sound_weights(reproduced):
    """One bit of a generator, size and date kept, and another evaluation: DVC sees no change of the weights."""
    sound, damaged = reproduced("sound"), reproduced("damaged")
    for clone in (sound, damaged):
        clone.edit("params.yaml", "directions: 16", "directions: 17")
    damaged.run("dvc status --quiet", check=False)  # DVC remembers size, date and inode, by which it knows files again
    flip(damaged.folder / RUN / "generator.safetensors")
    refused = damaged.run("dvc repro", check=False)
    said = refused.stdout + refused.stderr
    assert refused.returncode and f"its input {RUN}/generator.safetensors has the sha256" in said
    [cure] = re.findall("`(.*?)`", said)
    assert cure == f"python -m ganflow verify --repair {RUN}"
    damaged.run(f"{cure} && dvc repro --quiet")
    sound.run("dvc repro --quiet")
    names = [path.relative_to(sound.folder) for path in sound.folder.glob("results/tiny/scores/*/*/*/score.json")]
    assert names and all((sound.folder / name).read_bytes() == (damaged.folder / name).read_bytes() for name in names)
