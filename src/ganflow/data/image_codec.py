"""Pictures on their way into shards and back: cut to a square, packed without loss as WebP, unpacked.

Pillow resizes in whole numbers, so a square has the same bytes on every CPU.
"""

import io

import numpy as np
from PIL import Image

from ganflow.config import Resize

# The filter, and by how many times the picture may still be too large after a first average over whole pixels.
FILTERS: dict[Resize, tuple[Image.Resampling, float | None]] = {
    "lanczos": (Image.Resampling.LANCZOS, None),
    "lanczos_reduced": (Image.Resampling.LANCZOS, 2.0),
    "box": (Image.Resampling.BOX, 1.0),
}


def center_crop_resize(image: Image.Image, resolution: int, resize: Resize = "lanczos") -> np.ndarray:
    """The central square of an RGB image at `resolution` pixels a side, as uint8; smaller ones are enlarged.

    All filters cover the area of an output pixel (no aliasing; Parmar et al., 2022, arXiv 2104.11222).
    """
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    if resize == "box" and side % resolution == 0:
        return np.asarray(image.reduce(side // resolution, box))  # what follows would give, in half the time
    cropped = image.crop(box)
    kind, gap = FILTERS[resize]
    return np.asarray(cropped.resize((resolution, resolution), kind, reducing_gap=gap))


def encode_webp(image: np.ndarray) -> bytes:
    """uint8 (height, width, 3) as lossless WebP, by the fastest method."""
    packed = io.BytesIO()
    Image.fromarray(image).save(packed, "WEBP", lossless=True, method=0, quality=0)
    return packed.getvalue()


def decode_webp(packed: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The image in a WebP, of exactly this (height, width, 3), as uint8; raises ValueError for anything else."""
    try:
        with Image.open(io.BytesIO(packed), formats=("WEBP",)) as image:
            if (image.height, image.width, len(image.getbands())) != shape:
                raise ValueError(f"is {image.width}x{image.height} {image.mode}")
            return np.asarray(image)
    except Exception as error:  # Pillow raises anything from SyntaxError to struct.error for broken bytes
        raise ValueError(str(error) or type(error).__name__) from None
