"""Samples between shards and networks."""

import numpy as np
import torch

from ganflow.training.pixels import as_stored, from_stored, to_pixels


def test_pixels_go_to_images_and_back():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, 3)
    images = from_stored(torch.from_numpy(pixels))
    assert images.min() == -1 and images.max() == 1
    assert np.allclose(images[0, 0].flatten(), 2 * (np.arange(256) / 255 - 0.5), rtol=0, atol=1.2e-7)
    as_on_a_gpu = torch.from_numpy(pixels).float().sub_(127.5).mul_(1 / 127.5).permute(0, 3, 1, 2)
    assert torch.equal(images, as_on_a_gpu) and images.stride() == as_on_a_gpu.stride()
    assert images.data_ptr() % 64 == 0
    assert np.array_equal(to_pixels(images), pixels) and np.array_equal(as_stored(images), pixels)


def test_points_stay_as_they_are():
    points = torch.randn(5, 2)
    assert from_stored(points) is points and np.array_equal(as_stored(points), points.numpy())
