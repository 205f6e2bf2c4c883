"""Both engines, end to end on the tiny experiment: the same graph, the same bytes, nothing left to do for the other."""

import json
import re
from collections.abc import Iterator

import pytest
from dvc.repo import Repo
from repository import TOP, Clone, environment_of, ran
from served.programs import programs

pytestmark = pytest.mark.slow

SNAKEMAKE = "snakemake --cores 2 --quiet rules"


def stale(clone) -> set[str]:
    """The stages that DVC would run."""
    return set(json.loads(clone.run("dvc status --json").stdout))


def planned(clone) -> set[str]:
    """The stages that Snakemake would run."""
    done = clone.run("snakemake --dry-run --cores 2 --printshellcmds")
    return set(re.findall(r"workflow\.job +(?:--force )?(\S+)", done.stdout + done.stderr))


def nothing_to_do(clone) -> None:
    assert stale(clone) == set()
    assert "Nothing to be done" in (done := clone.run("snakemake --dry-run --cores 2")).stdout + done.stderr
    assert "up to date" in clone.run("dvc repro").stdout


def test_both_state_the_same_graph(clone):
    clone.run("cp profiles/tiny.yaml params.yaml && python -m ganflow runs")  # every variant on every dataset
    with Repo(str(clone.folder)) as repo:
        outputs = {out.def_path for stage in repo.index.stages for out in stage.outs}
        of_dvc = {}
        for stage in repo.index.stages:
            dependencies = {
                dep.def_path.removesuffix("/manifest.json")
                for dep in stage.deps
                if dep.def_path not in ("build/plan.json", "params.yaml")
            }
            inputs = {out for out in outputs for dep in dependencies if out == dep or out.startswith(f"{dep}/")}
            of_dvc[stage.name] = (inputs, {out.def_path for out in stage.outs})
    del of_dvc["plan"]

    said = clone.run("snakemake --cores 2 --dry-run --forceall --printshellcmds")
    of_snakemake = {}
    for job in re.split(r"\n(?:local)?rule ", said.stdout + said.stderr)[1:]:
        if stage := re.search(r"workflow\.job +(?:--force )?(\S+)", job):
            inputs, made = (
                set(re.search(rf"^ +{key}: (.*)$", job, re.MULTILINE)[1].split(", ")) for key in ("input", "output")
            )
            of_snakemake[stage[1]] = (inputs - {"src/ganflow"}, made)
    assert of_snakemake == of_dvc


@pytest.fixture
def elsewhere(tmp_path) -> Iterator[Clone]:
    """A fresh clone whose programs began in another place: locale, time zone, order of sets."""
    settings = environment_of(tmp_path / "cache") | {"LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    with programs(TOP / "src", settings) as served:
        served.start_all()
        yield Clone.fresh(tmp_path / "elsewhere", served.serving(settings))


def test_equal_bytes_and_nothing_to_do_under_the_other_engine(reproduced, elsewhere):
    by_dvc, by_snakemake = reproduced("by dvc"), elsewhere
    by_snakemake.run(SNAKEMAKE)
    assert by_dvc.digests() == by_snakemake.digests()
    nothing_to_do(by_dvc)
    nothing_to_do(by_snakemake)

    by_snakemake.run("snakemake --report report.html")
    page = (by_snakemake.folder / "report.html").read_text()
    assert not re.search(r"""(src|href)=["']https?:""", page) and "Experiment <strong>tiny</strong>" in page
    for figure in ("samples", "losses", "estimates"):
        assert f"rendered_bedrooms_{figure}.png" in page and f"rendered_objects_{figure}.png" in page

    for clone in (by_dvc, by_snakemake):  # one variant's learning rate
        clone.edit("params.yaml", "lr: 2.0e-4", "lr: 3.0e-4")
    rerun = {f"{stage}@rendered_bedrooms-dcgan-0" for stage in ("train", "generate", "evaluate")} | {"report"}
    assert planned(by_dvc) == planned(by_snakemake) == rerun
    said = by_dvc.run("dvc repro").stdout
    assert ran(said) == {"plan"} | rerun
    by_snakemake.run(SNAKEMAKE)
    assert by_dvc.digests() == by_snakemake.digests()

    for clone in (by_dvc, by_snakemake):  # a file that no unit runs, and one that only the report runs
        (clone.folder / "src/ganflow/networks/families/unused.py").write_text('"""A new family."""\n')
        with (clone.folder / "src/ganflow/reporting/figures.py").open("a") as file:
            file.write("\nEDITED = True\n")
    assert planned(by_dvc) == {"report"}

    for clone in (by_dvc, by_snakemake):  # a change of decoding that gives the same bytes
        with (clone.folder / "src/ganflow/data/decoding.py").open("a") as file:
            file.write("\nEDITED = True\n")
    assert {"download@rendered_bedrooms", "shard@rendered_objects"} < planned(by_dvc) == planned(by_snakemake)
    remade = {"plan", "download@rendered_bedrooms", "shard@rendered_bedrooms", "shard@rendered_objects", "report"}
    said = by_dvc.run("dvc repro").stdout
    assert ran(said) == remade


def test_second_machine_pulls_and_has_nothing_to_do(reproduced, tmp_path, environment):
    first = reproduced("first")
    first.run(f"dvc remote add --default shared {tmp_path}/shared && dvc push --quiet")
    first.run("git add --all && git commit --quiet --message results")
    first.run(f"git clone --quiet . {tmp_path}/second")
    second = Clone(tmp_path / "second", environment)
    second.run("dvc pull --quiet")
    nothing_to_do(second)
    done = second.run("python -m ganflow publish")
    assert "2 runs published, 0 already published" in done.stdout
    assert "0 runs published, 2 already published" in second.run("python -m ganflow publish").stdout


def test_metrics_and_plots_of_dvc(reproduced):
    clone = reproduced("clone")
    clone.run("git add --all && git commit --quiet --message one")
    shown = json.loads(clone.run("dvc metrics show --json").stdout)
    assert "sliced_wasserstein" in json.dumps(shown)
    clone.edit("params.yaml", "lr: 2.0e-4", "lr: 3.0e-4")
    clone.run("dvc repro")
    changed = clone.run("dvc metrics diff HEAD").stdout
    assert "dcgan" in changed and "wgan_gp" not in changed
    clone.run("dvc plots show --out plots")
    page = (clone.folder / "plots/index.html").read_text()
    assert "validation_critic_loss" in page and "rendered_bedrooms_samples.png" in page and "<script src" not in page
