"""Images as stored in shards: centre crop and resize, lossless WebP encoding and decoding.

Pillow resizes in integer arithmetic, so the result has the same bytes on every CPU.
"""

import io

import numpy as np
from PIL import Image

from ganflow.config import Resize

# The filter and Pillow's `reducing_gap`: how much larger than the target a first box reduction may leave the image.
FILTERS: dict[Resize, tuple[Image.Resampling, float | None]] = {
    "lanczos": (Image.Resampling.LANCZOS, None),
    "lanczos_reduced": (Image.Resampling.LANCZOS, 2.0),
    "box": (Image.Resampling.BOX, 1.0),
}


def center_crop_resize(image: Image.Image, resolution: int, resize: Resize = "lanczos") -> np.ndarray:
    """The central square of an RGB image, resized to uint8 (resolution, resolution, 3); smaller images are enlarged.

    All filters cover the area of an output pixel, hence no aliasing (Parmar et al., 2022, arXiv 2104.11222).
    """
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    if resize == "box" and side % resolution == 0:
        return np.asarray(image.reduce(side // resolution, box))  # same result as below in half the time
    cropped = image.crop(box)
    kind, gap = FILTERS[resize]
    return np.asarray(cropped.resize((resolution, resolution), kind, reducing_gap=gap))


def encode_webp(image: np.ndarray) -> bytes:
    """Encodes uint8 (height, width, 3) as lossless WebP with the fastest method."""
    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, "WEBP", lossless=True, method=0, quality=0)
    return encoded.getvalue()


def decode_webp(encoded: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Decodes a WebP of exactly the shape (height, width, 3) to uint8; raises ValueError for anything else."""
    try:
        with Image.open(io.BytesIO(encoded), formats=("WEBP",)) as image:
            if (image.height, image.width, len(image.getbands())) != shape:
                raise ValueError(f"is {image.width}x{image.height} {image.mode}")
            return np.asarray(image)
    except Exception as error:  # Pillow raises anything from SyntaxError to struct.error for corrupt bytes
        raise ValueError(str(error) or type(error).__name__) from None
