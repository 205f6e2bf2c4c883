"""Decodes photographs of any mode to RGB, with EXIF orientation applied; colour profiles are not applied."""

import io
from contextlib import suppress

import numpy as np
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from ganflow.data.interfaces import CorruptImage

ENCODINGS = ("WEBP", "JPEG", "PNG")
SMALLEST_SIDE = 16  # pixels
LARGEST_IMAGE = 64_000_000  # pixels


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
