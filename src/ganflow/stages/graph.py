"""The stage graph, stated here and nowhere else: what each stage is applied to, reads, writes and takes.

The command line, the plan, status, verify and the Snakefile read it; a test holds dvc.yaml equal to it. It imports
nothing of the package, so that it is there at once.
"""

from dataclasses import dataclass
from pathlib import Path

DATASET = ("dataset",)
RUN = ("dataset", "variant", "seed")


@dataclass(frozen=True)
class Stage:
    """One stage, applied to every value of its axes; `output` is a template of them and of the experiment's name."""

    name: str
    purpose: str
    output: str
    axes: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()  # stages
    threads: bool = True  # as many as compute.threads says; else one
    gpu: bool = False  # where compute.device is cuda
    reads_manifests: bool = False  # its outputs say how its inputs were made, so they depend on the whole manifests

    def folder(self, experiment: str, *axes: str) -> Path:
        """Where the outputs for some axes lie."""
        return Path(self.output.format(experiment=experiment, **dict(zip(self.axes, axes, strict=True))))

    def key(self, *axes: str) -> str:
        """A name among the applications of the stage: `<dataset>-<variant>-<seed>`; its own without axes."""
        return "-".join(axes) or self.name

    def address(self, *axes: str) -> str:
        """DVC's name: `train@<dataset>-<variant>-<seed>`."""
        return f"{self.name}@{self.key(*axes)}" if axes else self.name


_STAGES = (  # in an order in which they can be done
    Stage(
        "download",
        "fetch the official archives, or make synthetic ones",
        "data/raw/{dataset}",
        DATASET,
        threads=False,
    ),
    Stage("shard", "write WebDataset tars and their index", "data/shards/{dataset}", DATASET, ("download",)),
    Stage("extractor", "weights of the network whose features scores compare", "data/extractor", threads=False),
    Stage(
        "extract",
        "features of the real images",
        "data/features/{dataset}",
        DATASET,
        ("extractor", "shard"),
        gpu=True,
    ),
    Stage(
        "reference",
        "what scores need of the real samples, and what they say of held-out ones",
        "data/reference/{dataset}",
        DATASET,
        ("extractor", "shard", "extract"),
    ),
    Stage(
        "train", "train one variant", "results/{experiment}/runs/{dataset}/{variant}/{seed}", RUN, ("shard",), gpu=True
    ),
    Stage(
        "generate",
        "scores of one training's snapshots, and features of its generated images",
        "results/{experiment}/generated/{dataset}/{variant}/{seed}",
        RUN,
        ("extractor", "shard", "extract", "train"),
        gpu=True,
    ),
    Stage(
        "evaluate",
        "score one trained generator",
        "results/{experiment}/scores/{dataset}/{variant}/{seed}",
        RUN,
        ("extractor", "shard", "extract", "reference", "train", "generate"),
        gpu=True,
    ),
    Stage("studies", "numbers of the theory that params.yaml asks for", "results/{experiment}/studies"),
    Stage(
        "report",
        "figures, tables and index.html",
        "results/{experiment}/report",
        inputs=("train", "generate", "evaluate", "studies"),
        threads=False,
        reads_manifests=True,
    ),
)
STAGES = {stage.name: stage for stage in _STAGES}
RESULTS = Path("results")
