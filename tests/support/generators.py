"""Small untrained generators, in files as training leaves them."""

from pathlib import Path
from typing import Any

from ganflow.config import Choice
from ganflow.networks.building import network_of
from ganflow.tensor_files import save_tensors

LATENT = 8


def write_generator(path: Path, side: int, about: dict[str, Any]) -> None:
    """A DCGAN of width 4 for images of side x side pixels; `about` adds to the file's header."""
    network, shape = {"name": "dcgan", "settings": {"width": 4}}, (side, side, 3)
    header = {"iteration": 6, "module": "generator", "shape": shape, "classes": 0, "scale": 1.0, "latent": LATENT}
    header |= {"part": "generator", "takes": "latent", "gives": "samples"}
    about = {"dataset": "d", "variant": "v", "seed": 0} | about
    header |= {"arguments": {"resolution": side, "latent": LATENT, "classes": 0}}
    module = network_of(Choice(**network), shape, "test").generator(side, LATENT)
    save_tensors(path, module.state_dict(), about | header | {"network": network})
