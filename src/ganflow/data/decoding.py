"""Encoded photographs as RGB pictures, upright, whatever mode they were saved in; colour profiles are not applied."""

import io
from contextlib import suppress

import numpy as np
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from ganflow.data.interfaces import CorruptImage

ENCODINGS = ("WEBP", "JPEG", "PNG")
SMALLEST_SIDE = 16  # pixels
LARGEST_IMAGE = 64_000_000  # pixels


class _Unfit(Exception):
    """Why a picture is not used although it might be decoded."""


def decode(value: bytes, key: str) -> Image.Image:
    """A picture in RGB from its encoded bytes, told by their first ones; raises CorruptImage with this key."""
    try:
        if not value:
            raise _Unfit("empty")
        with Image.open(io.BytesIO(value), formats=ENCODINGS) as image:
            if min(image.size) < SMALLEST_SIDE or image.width * image.height > LARGEST_IMAGE:
                raise _Unfit(
                    f"{image.width}x{image.height} pixels, expected sides of at least {SMALLEST_SIDE} and at most "
                    f"{LARGEST_IMAGE} in all"
                )
            image.load()
            with suppress(Exception):  # a picture whose EXIF is broken stays as it lies
                ImageOps.exif_transpose(image, in_place=True)
            return _to_rgb(image)
    except Image.DecompressionBombError:
        reason = f"more than {LARGEST_IMAGE} pixels"
    except UnidentifiedImageError:  # its own text holds a memory address
        reason = f"{len(value)} bytes that are not {', '.join(ENCODINGS[:-1])} or {ENCODINGS[-1]}"
    except MemoryError:  # no fault of the picture: to leave it out would change the dataset in silence
        raise
    except _Unfit as error:
        reason = str(error)
    except Exception as error:  # Pillow raises anything from SyntaxError to struct.error for broken bytes
        reason = f"{len(value)} bytes that can't be decoded: {' '.join(str(error).split())[:200]}"
    raise CorruptImage(key, reason)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode in RGB: what is transparent lies on white, 16-bit grey is scaled to 8 bits."""
    if image.mode == "CMYK" and "adobe" not in image.info:
        image = ImageChops.invert(image)  # Pillow takes every JPEG's inks for inverted, as only Adobe writes them
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
