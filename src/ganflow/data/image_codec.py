"""Images in shards: encoded without loss as WebP, and decoded."""

import io

import numpy as np
from PIL import Image


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
