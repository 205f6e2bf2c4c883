"""What others notice of the same damage: the loaders of torch and safetensors, and webdataset."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from fault_injection.corruption import DAMAGE, Damaged, applies
from fault_injection.trials import NAMED, SILENT, Experiment, Trial


def load_safetensors(path: Path) -> None:
    from safetensors.torch import load_file

    load_file(path)


def load_torch(path: Path) -> None:
    import torch

    torch.load(path, weights_only=True)


def read_webdataset(path: Path) -> None:
    import webdataset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in webdataset.WebDataset(str(path), shardshuffle=False, empty_check=True):
            pass


LOADERS: dict[str, tuple[str, Callable[[Path], None]]] = {  # files, and who reads them
    "safetensors": ("*.safetensors", load_safetensors),
    "torch.load": ("*.pt", load_torch),
    "webdataset": ("*.tar", read_webdataset),
}


def loader_files(experiment: Experiment, folder: Path) -> list[Path]:
    """Copies of the experiment's tensors and shards, and its tensors as `torch.save` writes them."""
    import torch
    from safetensors.torch import load_file

    folder.mkdir(parents=True)
    names = [f"{unit.output}/{name}" for unit in experiment.units for name in experiment.bytes[unit.output]]
    for index, name in enumerate(names):
        source = experiment.folder / name
        if source.suffix in (".safetensors", ".tar"):
            copy = folder / f"{index}{source.suffix}"
            copy.write_bytes(source.read_bytes())
            if source.suffix == ".safetensors":
                torch.save(load_file(source), copy.with_suffix(".pt"))
    return sorted(folder.iterdir())


def loaders(files: list[Path], kind: str, most: int) -> Iterator[Trial]:
    """A trial for each loader, so many for each, on its own kind of file."""
    for who, (pattern, load) in LOADERS.items():
        mine = [path for path in files if path.match(pattern) and applies(DAMAGE[kind], path)]
        for number in range(most if mine else 0):
            path = mine[number % len(mine)]
            with Damaged(path, DAMAGE[kind], number):
                try:
                    load(path)
                    outcome = SILENT
                except Exception:  # of whatever kind: the file was noticed
                    outcome = NAMED
            yield Trial(f"{kind}: {who}", path.suffix, f"round {number}", outcome)
