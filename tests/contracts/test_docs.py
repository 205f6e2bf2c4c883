"""The pages under docs: following docs/extending.md to the letter works, and no page names what is not there."""

import json
import re
from pathlib import Path

import pytest
from repository import TOP
from ruamel.yaml import YAML

from ganflow import config

PAGES = sorted([*TOP.glob("[A-Z]*.md"), TOP / "tests/README.md", *(TOP / "docs").glob("*.md")])
NEW = (
    "hinge",
    "value_penalty",
    "one_layer",
    "colour",
    "mnist",
    "two_tones",
    "nearest_code",
)  # what the page on extending adds
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```", re.DOTALL | re.MULTILINE)


def add(params: Path, key: str, text: str) -> None:
    """Puts a YAML block under a dotted key of params.yaml."""
    yaml = YAML()
    content = yaml.load(params.read_text())
    *parents, last = key.split(".")
    place = content
    for parent in parents:
        place = place[parent]
    addition = YAML(typ="safe").load(text)
    if isinstance(addition, list):
        place[last].extend(addition)
    else:
        place[last].update(addition)
    with params.open("w") as file:
        yaml.dump(content, file)


def keep_only(params: Path, dataset: str) -> None:
    """Leaves out the other datasets and the variants that every test trains."""
    yaml = YAML()
    content = yaml.load(params.read_text())
    content["datasets"] = {dataset: content["datasets"][dataset]}
    content["variants"] = {name: made for name, made in content["variants"].items() if name not in ("dcgan", "wgan_gp")}
    with params.open("w") as file:
        yaml.dump(content, file)


@pytest.mark.slow
def test_whoever_follows_the_page_on_extending_gets_what_it_promises(clone):
    params, written = clone.folder / "params.yaml", []
    for language, about, text in FENCE.findall((TOP / "docs/extending.md").read_text()):
        if language == "python":
            (clone.folder / about).write_text(text)
            written.append(about)
        elif language == "yaml":
            add(params, about, text)
            if about == "datasets":
                keep_only(params, "rendered_digits")
        else:
            for command in text.splitlines():
                said = clone.run(command).stdout
    assert len(written) == 7
    assert "nothing to do; `python -m ganflow verify` checks every byte" in said
    metrics = json.loads((clone.folder / "results/tiny/report/metrics.json").read_text())["rendered_digits"]
    assert metrics.keys() == {"wgan_tight", "hinge", "wgan_values", "one_layer", "nearest", "from_two_tones"}
    assert {"mean_error", "psnr"} <= metrics.pop("from_two_tones").keys()
    assert all({"sliced_wasserstein", "colour"} <= scores.keys() for scores in metrics.values())
    schema = (clone.folder / "params.schema.json").read_text()
    assert all(f'"{name}"' in schema for name in NEW)
    page = (clone.folder / "docs/methods.md").read_text()
    assert all(f"| `{name}` |" in page for name in ("hinge", "value_penalty", "one_layer", "nearest_code"))
    checked = " ".join(written)
    clone.run(f"ruff check {checked} && ruff format --check {checked} && lint-imports")
    contracts = " ".join(str(path.relative_to(TOP)) for path in (TOP / "tests/contracts").glob("test_every_*.py"))
    chosen = " or ".join(NEW)
    said = clone.run(
        f"python -m pytest {contracts} -q -p no:cacheprovider -k '{chosen} or every_kind or made_from'"
    ).stdout
    assert int(re.search(r"(\d+) passed", said)[1]) > 60


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_only_what_is_there(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#\s]+)\)", FENCE.sub("", text)):
        assert target.startswith("https://") or (page.parent / target).exists(), target
    made_later = ("build/", "data/", "results/", "local/", "logs/", ".venv", "mlartifacts")
    for named in re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.\w+)`", text):
        known = named.startswith(made_later) or (TOP / named).exists() or (TOP / "src/ganflow" / named).exists()
        assert known or "<" in named, named
    for command in re.findall(r"(?:python -m |^)ganflow (\w+)", text, re.MULTILINE):
        assert (TOP / f"src/ganflow/stages/{command}.py").exists(), command


def test_the_page_on_real_data_begins_with_a_profile_that_is_valid():
    [profile] = re.findall(r"cp (profiles/\S+) params.yaml", (TOP / "docs/real-data.md").read_text())
    experiment = config.load(TOP / profile)
    assert all(dataset.source.name == "official" for dataset in experiment.datasets.values())


def test_the_citation_file_is_whole():
    cited = YAML(typ="safe").load((TOP / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "license"} <= cited.keys()
    assert {reference["year"] for reference in cited["references"]} >= {2014, 2015, 2016, 2017, 2009}
