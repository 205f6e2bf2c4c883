"""The README: every command in it runs, in the order it stands there, on the tiny experiment."""

import re

import pytest
from repository import TOP

pytestmark = pytest.mark.slow
BLOCKS = re.findall(r"```(sh|yaml|python)\n(.*?)```", (TOP / "README.md").read_text(), re.DOTALL)

REPLACED = {  # in a clone of the tiny experiment, by what is there
    "--cores 8": "--cores 2",
    "results/quickstart": "results/tiny",
    "ganflow verify --published": "git add --all && git commit --quiet --message results && ganflow verify --published",
    "rendered_objects/gan_mlp": "rendered_objects/wgan_loose",
    "wgan_gp_mlp": "wgan_gp",
}


def test_every_command_of_the_readme(reproduced, tmp_path):
    clone = reproduced("clone")
    assert len(BLOCKS) >= 10
    clone.run("git add --all")
    for language, text in BLOCKS:
        if language == "yaml":
            with (clone.folder / "params.yaml").open("r+") as file:
                content = file.read()
                file.seek(0)
                file.write(content.replace("variants:\n", f"variants:\n{text}"))
            continue
        if language == "python":
            lines = (
                text.replace("quickstart", "tiny")
                .replace("wgan_gp_mlp", "wgan_gp")
                .replace("16, 3, 32, 32", "16, 3, 16, 16")
            )
            lines = f"import torch\n{lines}assert images.shape == (16, 3, 16, 16), images.shape\n"
            (clone.folder / "build/three_lines.py").write_text(lines)
            clone.run("PYTHONPATH=. python build/three_lines.py")
            continue
        for command in text.replace("/tmp/ganflow-shared", str(tmp_path / "shared")).splitlines():
            if command.startswith("make"):
                continue  # these two install an environment; CI runs them
            kept = (clone.folder / "kept.yaml").exists()
            if command.startswith("cp profiles/") and not kept:
                clone.run("cp params.yaml kept.yaml")
            elif kept and not command.startswith(("cp profiles/", "ganflow plan")):
                clone.run("mv kept.yaml params.yaml && ganflow runs && dvc repro --quiet")
            for said, here in REPLACED.items():
                command = command.replace(said, here)
            clone.run(command)
    assert (clone.folder / "results/tiny/runs/rendered_objects/wgan_loose/0/manifest.json").exists()


def test_the_makefile_has_the_targets_that_the_readme_names():
    made = re.findall(r"^(\w+):", (TOP / "Makefile").read_text(), re.MULTILINE)
    text = (TOP / "README.md").read_text() + (TOP / "CONTRIBUTING.md").read_text()
    named = re.findall(r"\bmake (?:VENV=\S+ )?(\w+)", text)
    assert set(named) - {"it"} <= set(made)
