"""Images as stored in shards: lossless WebP encoding and decoding."""

import io

import numpy as np
from PIL import Image

from ganflow.data.faults import reason_of


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
        raise ValueError(reason_of(error)) from None
