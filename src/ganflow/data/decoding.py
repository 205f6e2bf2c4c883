"""Decodes photographs of any mode to RGB, with EXIF orientation applied, and crops and resizes them.

Colour profiles are not applied. Pillow resizes in integer arithmetic, so the result has the same bytes on every CPU.
"""

import io
from contextlib import suppress

import numpy as np
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from ganflow.config import Resize
from ganflow.data.interfaces import CorruptImage

ENCODINGS = ("WEBP", "JPEG", "PNG")
SMALLEST_SIDE = 16  # pixels
LARGEST_IMAGE = 64_000_000  # pixels
# The filter and Pillow's `reducing_gap`: how much larger than the target a first box reduction may leave the image.
FILTERS: dict[Resize, tuple[Image.Resampling, float | None]] = {
    "lanczos": (Image.Resampling.LANCZOS, None),
    "lanczos_reduced": (Image.Resampling.LANCZOS, 2.0),
    "box": (Image.Resampling.BOX, 1.0),
}


class _Unsupported(Exception):
    """Why an image is skipped although it might be decodable."""


def decode(value: bytes, key: str) -> Image.Image:
    """Decodes an image to RGB, its format detected by the first bytes; raises CorruptImage with this key."""
    try:
        if not value:
            raise _Unsupported("empty")
        with Image.open(io.BytesIO(value), formats=ENCODINGS) as image:
            if min(image.size) < SMALLEST_SIDE or image.width * image.height > LARGEST_IMAGE:
                raise _Unsupported(
                    f"{image.width}x{image.height} pixels, expected sides of at least {SMALLEST_SIDE} and at most "
                    f"{LARGEST_IMAGE} in all"
                )
            image.load()
            with suppress(Exception):  # an image with corrupt EXIF is not rotated
                ImageOps.exif_transpose(image, in_place=True)
            return _to_rgb(image)
    except Image.DecompressionBombError:
        reason = f"more than {LARGEST_IMAGE} pixels"
    except UnidentifiedImageError:  # its own text holds a memory address
        reason = f"{len(value)} bytes that are not {', '.join(ENCODINGS[:-1])} or {ENCODINGS[-1]}"
    except MemoryError:  # not the image's fault: skipping it would silently change the dataset
        raise
    except _Unsupported as error:
        reason = str(error)
    except Exception as error:  # Pillow raises anything from SyntaxError to struct.error for corrupt bytes
        reason = f"{len(value)} bytes that can't be decoded: {' '.join(str(error).split())[:200]}"
    raise CorruptImage(key, reason)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Converts any mode to RGB: transparency is composited on white, 16-bit grey is scaled to 8 bits."""
    if image.mode == "CMYK" and "adobe" not in image.info:
        image = ImageChops.invert(image)  # Pillow assumes Adobe's inverted CMYK for every JPEG
    if image.mode.startswith("I"):
        deep = np.asarray(image)
        grey = (deep.astype(np.float64) / 257).round().clip(0, 255).astype(np.uint8)
        grey[deep == image.info.get("transparency", -1)] = 255
        return Image.fromarray(grey).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


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
