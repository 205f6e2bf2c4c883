"""PNG images whose pixels are stored, not compressed: as ordinary as any PNG, of a fixed size for a shape, and readable
as an array in place (PNG, second edition, ISO/IEC 15948; RFC 1950 and 1951, section 3.2.4).

Each row is one stored block: five bytes of its header, the row's filter, which is 0, and its pixels.
"""

import struct
import zlib

import numpy as np

Shape = tuple[int, int, int]  # height, width, channels: 1 of grey values, 3 of RGB

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ZLIB = b"\x78\x01"
ROW_HEAD = 6  # bytes before the pixels of a row
CHUNK = 12  # bytes of a chunk besides its data
COLOUR_TYPES = {1: 0, 3: 2}
LONGEST_ROW = 0xFFFF - 1  # bytes of pixels


def png_bytes(shape: Shape) -> int:
    """The size of a file."""
    return first_pixel(shape) - ROW_HEAD + shape[0] * row_stride(shape) + 8 + CHUNK  # Adler-32, CRC-32, and IEND


def first_pixel(shape: Shape) -> int:
    """The offset of the first pixel."""
    return len(SIGNATURE) + CHUNK + 13 + 8 + len(ZLIB) + ROW_HEAD


def row_stride(shape: Shape) -> int:
    """Bytes from one row of pixels to the next."""
    return ROW_HEAD + shape[1] * shape[2]


def encode_png(values: np.ndarray) -> bytes:
    """The file of an image, uint8 (height, width, channels)."""
    height, width, channels = values.shape
    length = width * channels
    if values.dtype != np.uint8 or channels not in COLOUR_TYPES or not 0 < length <= LONGEST_ROW or not height:
        raise ValueError(f"an image of {values.dtype} {values.shape}, expected uint8 of 1 or 3 channels")
    rows = np.zeros((height, ROW_HEAD + length), np.uint8)
    rows[:, 1:5] = np.frombuffer(struct.pack("<HH", length + 1, 0xFFFF ^ (length + 1)), np.uint8)
    rows[-1, 0] = 1  # the last block
    rows[:, ROW_HEAD:] = values.reshape(height, length)
    checksum = zlib.adler32(rows[:, ROW_HEAD - 1 :].tobytes())
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    data = b"".join((ZLIB, rows.tobytes(), struct.pack(">I", checksum)))
    return b"".join((SIGNATURE, _chunk(b"IHDR", header), _chunk(b"IDAT", data), _chunk(b"IEND", b"")))


def pixels_at(content: memoryview, start: int, shape: Shape) -> np.ndarray:
    """The pixels of a file of this module that starts at `start`: a view, uint8 (height, width, channels).

    What the file says of itself is not read.
    """
    strides = (row_stride(shape), shape[2], 1)
    return np.ndarray(shape, np.uint8, content, start + first_pixel(shape), strides)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
