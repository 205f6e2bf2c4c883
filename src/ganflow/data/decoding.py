"""Decodes photographs of any mode to RGB, with EXIF orientation applied, and crops and resizes them.

Colour profiles are not applied. Pillow resizes in integer arithmetic, so the result has the same bytes on every CPU.
An image that would take more memory than `LARGEST_IN_MEMORY` is refused before it is decoded; the limit is the same on
every machine, for it decides which images a dataset has.
"""

import io
import warnings
import zlib
from contextlib import suppress

import numpy as np
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from ganflow.config import Resize
from ganflow.data.faults import reason_of
from ganflow.data.interfaces import CorruptImage
from ganflow.data.jpeg_completeness import lacks_scans, with_more_data

ENCODINGS = ("WEBP", "JPEG", "PNG")
SMALLEST_SIDE = 16  # pixels
ROWS = 64  # of an image that are converted or copied at once
LARGEST_IN_MEMORY = 256 << 20  # bytes of an image while it is decoded and cropped, in each process
# Bytes a pixel that decoding, converting to RGB and cropping take at most at once, as measured: by whether it is a WebP
# and whether it is transparent. A WebP is on two canvases, a progressive JPEG is kept as coefficients.
PER_PIXEL = {(False, False): 10, (False, True): 20, (True, False): 16, (True, True): 28}
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
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(value), formats=ENCODINGS) as image:
            size = f"{image.width}x{image.height} pixels"
            if min(image.size) < SMALLEST_SIDE:
                raise _Unsupported(f"{size}, expected sides of at least {SMALLEST_SIDE}")
            if (needed := memory_of(image)) > LARGEST_IN_MEMORY:
                raise _Unsupported(f"{size} would take {needed} bytes of memory, expected at most {LARGEST_IN_MEMORY}")
            _load(image, value)
            with suppress(Exception):  # an image with corrupt EXIF is not rotated
                ImageOps.exif_transpose(image, in_place=True)
            return _to_rgb(image)
    except Image.DecompressionBombError:
        reason = f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0)} pixels"
    except UnidentifiedImageError:  # its own text holds a memory address
        reason = f"{len(value)} bytes that are not {', '.join(ENCODINGS[:-1])} or {ENCODINGS[-1]}"
    except MemoryError:  # not the image's fault: skipping it would silently change the dataset
        raise
    except _Unsupported as error:
        reason = str(error)
    except Exception as error:  # Pillow raises anything from SyntaxError to struct.error for corrupt bytes
        reason = f"{len(value)} bytes that can't be decoded: {reason_of(error)}"
    raise CorruptImage(key, reason)


def memory_of(image: Image.Image) -> int:
    """Bytes that an image, opened but not yet decoded, takes at most until it is cropped."""
    return image.width * image.height * PER_PIXEL[image.format == "WEBP", image.has_transparency_data]


def _load(image: Image.Image, value: bytes) -> None:
    """Decodes an image, opened from `value`; raises _Unsupported for a JPEG whose data end before its image does."""
    if image.format in ("JPEG", "MPO"):  # the latter is a JPEG with further ones behind it
        longer = with_more_data(value)
        expected = None if longer is None else _checksum(Image.open(io.BytesIO(longer), formats=ENCODINGS))
        if lacks_scans(value) or (expected is not None and _checksum(image) != expected):
            raise _Unsupported(f"{len(value)} bytes of a JPEG that was cut short: they end before its image does")
    image.load()


def _checksum(image: Image.Image) -> int:
    """A checksum of the pixels, which are copied a few rows at a time."""
    image.load()
    checksum = 0
    for row in range(0, image.height, ROWS):
        checksum = zlib.crc32(image.crop((0, row, image.width, row + ROWS)).tobytes(), checksum)
    return checksum


def _to_rgb(image: Image.Image) -> Image.Image:
    """Converts any mode to RGB: transparency is composited on white, 16-bit grey is scaled to 8 bits."""
    if image.mode == "CMYK" and "adobe" not in image.info:
        image = ImageChops.invert(image)  # Pillow assumes Adobe's inverted CMYK for every JPEG
    if image.mode.startswith("I"):
        deep = np.asarray(image)
        grey = np.empty(deep.shape, np.uint8)
        for row in range(0, len(deep), ROWS):
            rows = deep[row : row + ROWS].astype(np.int64)
            grey[row : row + ROWS] = ((rows + 128) // 257).clip(0, 255)  # 257 is odd: no value is halfway
            grey[row : row + ROWS][rows == image.info.get("transparency", -1)] = 255
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
