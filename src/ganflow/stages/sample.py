"""sample: images or points of a trained generator; with the seed of its run, the scored ones come first."""

from pathlib import Path

import torch
from PIL import Image

from ganflow.artifacts import write_file
from ganflow.config import Experiment
from ganflow.errors import UserError
from ganflow.evaluation.generated_samples import generate_samples, given_to
from ganflow.stages.graph import STAGES
from ganflow.stages.selection import weights_named
from ganflow.training.divergence import NotFinite
from ganflow.training.image_files import as_grid, encoded
from ganflow.training.sample_figures import scatter
from ganflow.training.weights import load_generator


def run(experiment: Experiment, which: str, images: int, seed: int, weights: str | None, out: Path) -> None:
    """Writes one image grid, or one file per image if `out` is a folder."""
    if images < 1:
        raise UserError("sample: --images = 0: must be at least 1")
    path = weights_named(experiment, which, weights)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module, about = load_generator(path, device)
    batch_size = experiment.evaluation.batch_size
    given = given_to(about, STAGES["shard"].folder(experiment.experiment, about["dataset"]), device)
    if given and images > given.count:
        raise UserError(
            f"sample: --images = {images}: {path} translates held-out images, and there are {given.count}; lower it"
        )
    try:
        made = generate_samples(
            module,
            images,
            about["latent"],
            batch_size,
            seed,
            device,
            about["classes"],
            what=f"sample {which}",
            given=given,
        )
    except NotFinite as found:
        raise UserError(f"{path}: {found}") from None
    if made.dim() == 2:
        write_file(out, encoded([scatter(made.numpy())], out.suffix))
        print(f"{out}: {images} points of {path} at iteration {about['iteration']:,}, seed {seed}")
        return
    samples = made.permute(0, 2, 3, 1).numpy()
    if out.is_dir() or not out.suffix:
        for index, pixels in enumerate(samples):
            write_file(out / f"{index:06d}.png", encoded([Image.fromarray(pixels)], ".png"))
    else:
        columns = min(images, max(1, round(images**0.5)))
        write_file(out, encoded([as_grid(samples, columns)], out.suffix))
    print(f"{out}: {images} images of {path} at iteration {about['iteration']:,}, seed {seed}")
