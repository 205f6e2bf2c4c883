"""The stage graph: what each stage is applied to, its inputs, outputs and resources.

It is the only definition, for the command line, the plan, status, verify and the Snakefile; a test compares dvc.yaml
with it. It imports nothing of the package, so that it loads quickly.
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
    threads: bool = True  # uses compute.threads threads; else one
    gpu: bool = False  # if compute.device is cuda
    lighter: str = ""  # what takes less memory
    reads_manifests: bool = (
        False  # its outputs describe how its inputs were made, so they depend on the complete manifests
    )

    def folder(self, experiment: str, *axes: str) -> Path:
        """The folder of the outputs for some axes."""
        return Path(self.output.format(experiment=experiment, **dict(zip(self.axes, axes, strict=True))))

    def key(self, *axes: str) -> str:
        """`<dataset>-<variant>-<seed>`, unique within the stage; the stage's name without axes."""
        return "-".join(axes) or self.name

    def address(self, *axes: str) -> str:
        """DVC's name: `train@<dataset>-<variant>-<seed>`."""
        return f"{self.name}@{self.key(*axes)}" if axes else self.name


_STAGES = (  # in an order in which they can run
    Stage(
        "download", "fetch the official archives, or make synthetic ones", "data/raw/{dataset}", DATASET, threads=False
    ),
    Stage(
        "shard",
        "write WebDataset tars and their index",
        "data/shards/{dataset}",
        DATASET,
        ("download",),
        lighter="lower compute.threads while it runs, which changes no shard",
    ),
    Stage("extractor", "fetch the weights of the feature extractor", "data/extractor", threads=False),
    Stage(
        "extract",
        "extract features of the real images",
        "data/features/{dataset}",
        DATASET,
        ("extractor", "shard"),
        gpu=True,
        lighter="lower evaluation.real_images",
    ),
    Stage(
        "reference",
        "compute statistics of the real samples for scores, and the scores of held-out ones",
        "data/reference/{dataset}",
        DATASET,
        ("extractor", "shard", "extract"),
        gpu=True,
        lighter="lower evaluation.real_images",
    ),
    Stage(
        "train",
        "train one variant",
        "results/{experiment}/runs/{dataset}/{variant}/{seed}",
        RUN,
        ("shard",),
        gpu=True,
        lighter="lower training.batch_size or the network's width",
    ),
    Stage(
        "generate",
        "score the snapshots of one training, and extract features of its generated images",
        "results/{experiment}/generated/{dataset}/{variant}/{seed}",
        RUN,
        ("extractor", "shard", "extract", "train"),
        gpu=True,
        lighter="lower evaluation.batch_size or evaluation.images",
    ),
    Stage(
        "evaluate",
        "score one trained generator",
        "results/{experiment}/scores/{dataset}/{variant}/{seed}",
        RUN,
        ("extractor", "shard", "extract", "reference", "train", "generate"),
        gpu=True,
        lighter="lower evaluation.images",
    ),
    Stage("studies", "run the numerical studies of the theory", "results/{experiment}/studies"),
    Stage(
        "report",
        "write figures, tables and index.html",
        "results/{experiment}/report",
        inputs=("train", "generate", "evaluate", "studies"),
        threads=False,
        reads_manifests=True,
    ),
)
STAGES = {stage.name: stage for stage in _STAGES}
RESULTS = Path("results")
