"""Feature extraction by a fixed network, in batches of a fixed size, so that an image's features depend on no other
image; with functions for extractors to load and fuse their networks."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ganflow.artifacts import digest_file
from ganflow.config import Evaluation
from ganflow.errors import UserError
from ganflow.evaluation.interfaces import WEIGHTS, Identity, Samples, extractor_of
from ganflow.progress import Progress

BATCH = 16  # images; activations of more do not fit in the caches

N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class Extraction:
    """An extractor with its weights."""

    identity: Identity
    network: nn.Module

    def of(self, images: Tensor, what: str | None = None) -> Samples:
        """Features and logits of images, uint8 (n, 3, H, W); shows progress if `what` names them. Raises UserError if
        one is not finite."""
        features, logits = extract(self.network, images, what)
        if not (features.isfinite().all() and logits.isfinite().all()):
            raise UserError(
                f"{self.identity.name}: gives features that are not finite of images that are: its weights (sha256 "
                f"{self.identity.sha256}) are not usable; choose another extractor in params.yaml, or other weights"
            )
        return Samples(features=features, logits=logits)


def extraction_of(evaluation: Evaluation, folder: Path, device: str) -> Extraction | None:
    """The extractor of params.yaml with the weights in `folder`; None if there is none."""
    identity = identity_of(evaluation, folder)
    if evaluation.extractor is None or identity is None:
        return None
    return Extraction(identity, extractor_of(evaluation.extractor).network(folder / WEIGHTS).to(device))


def identity_of(evaluation: Evaluation, folder: Path) -> Identity | None:
    """The identity of that extractor; raises UserError if the weights are missing."""
    if evaluation.extractor is None:
        return None
    extractor = extractor_of(evaluation.extractor)
    try:
        sha256 = digest_file(folder / WEIGHTS)
    except FileNotFoundError:
        raise UserError(f"{folder / WEIGHTS}: missing; run `dvc repro` to create it") from None
    literature = sha256 == extractor.literature
    return Identity(evaluation.extractor.name, sha256, extractor.resize, literature, extractor.computation)


@torch.no_grad()
def extract(network: nn.Module, images: Tensor, what: str | None = None) -> tuple[Tensor, Tensor]:
    """Features (n, f) and logits (n, k), float32 on the CPU, of images, uint8 (n, 3, H, W)."""
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    found: list[tuple[Tensor, Tensor]] = []
    with Progress(what, len(images), "images") if what else nullcontext() as progress:
        for batch in images.split(BATCH):
            full = torch.zeros((BATCH, *images.shape[1:]), dtype=torch.uint8)
            full[: len(batch)] = batch
            features, logits = network(full.to(device))
            found.append((features[: len(batch)].float().cpu(), logits[: len(batch)].float().cpu()))
            if progress:
                progress.advance(len(batch))
    features, logits = (torch.cat(parts) for parts in zip(*found, strict=True))
    return features, logits


def read_weights(path: Path) -> dict[str, Tensor]:
    """Loads a PyTorch file that holds only tensors, without executing pickled code; raises UserError otherwise."""
    wrong = UserError(f"{path}: is not a state dict of tensors; use the file that the extractor names")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # zip, pickle and runtime errors of many kinds, or no memory, by which the command line goes
        raise wrong from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise wrong
    return state


def load_network(build: Callable[[dict[str, Tensor]], nn.Module], weights: Path) -> nn.Module:
    """The network that `build` makes from a state dict; raises UserError if the keys or shapes don't match."""
    state = read_weights(weights)
    try:
        return build(state).eval().requires_grad_(False)
    except RuntimeError:  # from load_state_dict
        raise UserError(
            f"{weights}: holds the weights of another network; use the file that the extractor names"
        ) from None


def fuse_batch_norms(network: N) -> N:
    """The network for inference, with each batch norm folded, in float64, into the convolution before it.

    That is the one registered directly before it in the same module; modules don't declare this, so tests must compare.
    """
    network.eval().requires_grad_(False).double()
    for module in list(network.modules()):
        children = list(module.named_children())
        for (name, layer), (norm_name, norm) in zip(children, children[1:], strict=False):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(layer, norm))
                setattr(module, norm_name, nn.Identity())
    return network.float().to(memory_format=torch.channels_last)
