"""Stored PNGs: any reader sees the pixels that were written, in files whose size and places are known beforehand."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ganflow.data.stored_png import LONGEST_ROW, SIGNATURE, encode_png, first_pixel, pixels_at, png_bytes, row_stride

SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]))
UNUSUAL = [(1, 1, 1), (1, 1, 3), (1, 40, 3), (40, 1, 1), (7, 30_000, 1), (300, 500, 3)]  # the last: of many blocks


def drawn(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def decoded(content: bytes) -> np.ndarray:
    """By Pillow, which checks the checksums."""
    Image.open(io.BytesIO(content)).verify()
    image = Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    values = np.asarray(image)
    assert (image.mode, values.ndim) in (("L", 2), ("RGB", 3))
    return values if image.mode == "RGB" else values[..., None]


def chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """(type, data) of each chunk, with its checksum compared, by the standard alone."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    found, place = [], 8
    while place < len(content):
        [length] = struct.unpack(">I", content[place : place + 4])
        kind, data = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        [checksum] = struct.unpack(">I", content[place + 8 + length : place + 12 + length])
        assert len(data) == length and checksum == zlib.crc32(kind + data)
        found.append((kind, data))
        place += 12 + length
    return found


@settings(max_examples=60, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 2**32))
def test_pillow_decodes_what_was_written(shape, seed):
    values = drawn(shape, seed)
    assert np.array_equal(decoded(encode_png(values)), values)


@pytest.mark.parametrize("shape", UNUSUAL)
@pytest.mark.parametrize("level", [0, 255, None])
def test_images_of_unusual_shapes_and_of_one_value_are_decoded_too(shape, level):
    values = drawn(shape) if level is None else np.full(shape, level, np.uint8)
    assert np.array_equal(decoded(encode_png(values)), values)


@settings(max_examples=60, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 2**32))
def test_the_size_of_a_file_is_known_from_its_shape(shape, seed):
    assert len(encode_png(drawn(shape, seed))) == png_bytes(shape)


@settings(max_examples=60, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 2**32))
def test_the_file_is_three_chunks_whose_data_are_rows_without_a_filter(shape, seed):
    values, (height, width, channels) = drawn(shape, seed), shape
    (head, header), (data, stream), (end, nothing) = chunks(encode_png(values))
    assert (head, data, end, nothing) == (b"IHDR", b"IDAT", b"IEND", b"")
    assert struct.unpack(">IIBBBBB", header) == (width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    reader = zlib.decompressobj()
    rows = reader.decompress(stream)
    assert reader.eof and not reader.unused_data
    assert rows == b"".join(b"\0" + row.tobytes() for row in values)


@settings(max_examples=60, deadline=None)
@given(shape=SHAPES, seed=st.integers(0, 2**32), start=st.integers(0, 1001))
def test_pixels_are_read_in_place_wherever_the_file_lies(shape, seed, start):
    values = drawn(shape, seed)
    held = memoryview(b"\xff" * start + encode_png(values) + b"\xff" * 7)
    found = pixels_at(held, start, shape)
    assert found.dtype == np.uint8 and np.array_equal(found, values)


def test_pixels_in_place_are_a_view_that_sees_what_is_written_beneath_it():
    held = bytearray(1 + png_bytes((2, 3, 3)))
    found = pixels_at(memoryview(held), 1, (2, 3, 3))
    held[1:] = encode_png(drawn((2, 3, 3)))
    assert np.array_equal(found, drawn((2, 3, 3)))


def test_the_last_pixel_lies_within_what_is_read():
    shape = (3, 5, 3)
    content = encode_png(drawn(shape))
    end = first_pixel(shape) + 2 * row_stride(shape) + 15
    assert np.array_equal(pixels_at(memoryview(content[:end]), 0, shape), drawn(shape))
    with pytest.raises(ValueError):
        pixels_at(memoryview(content[: end - 1]), 0, shape)


@pytest.mark.parametrize("shape", [(2, 65_534, 1), (2, 21_844, 3)])
def test_the_widest_row_is_one_block_and_a_wider_one_is_refused(shape):
    height, width, channels = shape
    assert LONGEST_ROW == 65_534 and width == LONGEST_ROW // channels
    values = drawn(shape)
    content = encode_png(values)
    assert np.array_equal(decoded(content), values) and len(content) == png_bytes(shape)
    assert np.array_equal(pixels_at(memoryview(content), 0, shape), values)
    with pytest.raises(ValueError, match="expected uint8 of 1 or 3 channels"):
        encode_png(np.zeros((height, width + 1, channels), np.uint8))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.int8),
        np.zeros((4, 4, 3), bool),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 0), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 0, 3), np.uint8),
    ],
)
def test_what_is_no_image_of_bytes_is_refused(wrong):
    with pytest.raises(ValueError, match="an image of .*, expected uint8 of 1 or 3 channels"):
        encode_png(wrong)


@pytest.mark.parametrize("shape", [(4, 4), (4,), (1, 4, 4, 3)])
def test_an_array_of_other_dimensions_is_refused(shape):
    with pytest.raises(ValueError):
        encode_png(np.zeros(shape, np.uint8))


def test_an_array_in_another_order_of_memory_is_the_same_image():
    values = drawn((6, 10, 3))
    for other in (np.asfortranarray(values), values[::-1].copy()[::-1], values.repeat(2, 1)[:, ::2]):
        assert encode_png(other) == encode_png(values)


def test_files_of_one_shape_differ_in_their_pixels_and_checksums_alone():
    shape = (4, 6, 3)
    one, other = (np.frombuffer(encode_png(drawn(shape, seed)), np.uint8) for seed in range(2))
    pixels = np.zeros(len(one), bool)
    for row in range(4):
        start = first_pixel(shape) + row * row_stride(shape)
        pixels[start : start + 18] = True
    pixels[-20:-12] = True  # Adler-32 and CRC-32, before IEND
    assert np.array_equal(one[~pixels], other[~pixels]) and one[:8].tobytes() == SIGNATURE
