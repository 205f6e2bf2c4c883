"""Real batches on their way to the device: the same bits whether gathered, fetched ahead or resident."""

import threading

import numpy as np
import pytest
import torch
from small_shards import make

from ganflow.data.order import batch_indices
from ganflow.data.reader import Shards
from ganflow.errors import UserError
from ganflow.training.batches import CudaTransfer, Gathered, Prefetched, Resident, batches_of
from ganflow.training.pixels import from_stored


class HostTransfer:
    """Copies to other memory of the host: what CudaTransfer does, without a stream."""

    def __init__(self):
        self.started, self.threads = 0, set()

    def start(self, batch):
        self.started += 1
        self.threads.add(threading.get_ident())
        return batch.clone()

    def finish(self, started):
        return started


@pytest.mark.parametrize("encoding", ["raw", "webp"])
def test_every_way_gives_the_same_bits(tmp_path, encoding):
    images, _ = make(tmp_path, 23, encoding=encoding)
    shards = Shards(tmp_path)
    gathered, resident = Gathered(shards, 3, 5), Resident(shards, 3, 5, "cpu")
    prefetched = Prefetched(shards, 3, 5, HostTransfer())
    for position in [0, 1, 2, 3, 4, 5, 17, 18, 2, 2]:  # across epochs, after a resume, back
        expected = images[batch_indices(23, 3, position * 5, 5)]
        for way in (gathered, prefetched, resident):
            found = way.at(position)
            assert found.dtype == torch.uint8 and np.array_equal(found.numpy(), expected)
            assert torch.equal(from_stored(found), from_stored(torch.from_numpy(expected)))


def test_one_batch_is_fetched_ahead_in_another_thread(tmp_path):
    make(tmp_path, 23)
    transfer = HostTransfer()
    prefetched = Prefetched(Shards(tmp_path), 0, 4, transfer)
    for position in range(6):
        prefetched.at(position)
        prefetched.ahead[1].result()
        assert transfer.started == position + 2
    assert threading.get_ident() not in transfer.threads and len(transfer.threads) == 1


def test_a_batch_that_was_taken_is_not_written_over(tmp_path):
    make(tmp_path, 23)
    prefetched = Prefetched(Shards(tmp_path), 0, 4, HostTransfer())
    first = prefetched.at(0)
    before = first.clone()
    for position in range(1, 5):
        prefetched.at(position)
    assert torch.equal(first, before)


def test_what_goes_wrong_ahead_is_said_when_the_batch_is_taken(tmp_path):
    make(tmp_path, 8, side=32, shard_size=8, encoding="webp")
    shard = tmp_path / "toys-train-000000.tar"
    content = bytearray(shard.read_bytes())
    second = np.load(tmp_path / "offsets.npy")[1] + 3 * 512
    content[second : second + 64] = bytes(64)
    shard.write_bytes(content)
    prefetched = Prefetched(Shards(tmp_path), 0, 1, HostTransfer())
    place = batch_indices(8, 0, 0, 8).tolist().index(1)
    assert place > 0
    for position in range(place):
        prefetched.at(position)
    with pytest.raises(UserError, match="toys-train-000000.tar: sample 1: not a WebP"):
        prefetched.at(place)


def test_a_cpu_gathers(tmp_path):
    make(tmp_path)
    assert isinstance(batches_of(Shards(tmp_path), 0, 2, "cpu"), Gathered)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_gets_the_same_bits(tmp_path, monkeypatch):
    make(tmp_path, 23)
    shards = Shards(tmp_path)
    gathered, prefetched = Gathered(shards, 0, 5), Prefetched(shards, 0, 5, CudaTransfer())
    resident = batches_of(shards, 0, 5, "cuda")
    assert isinstance(resident, Resident)
    for position in range(9):
        for way in (prefetched, resident):
            assert torch.equal(way.at(position).cpu(), gathered.at(position))
    monkeypatch.setattr("ganflow.training.batches.SHARE", 0.0)
    assert isinstance(batches_of(shards, 0, 5, "cuda"), Prefetched)
