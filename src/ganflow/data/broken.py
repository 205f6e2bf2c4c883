"""Images that can't be used are left out and listed, each with its key and the reason; too many of them are refused."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from ganflow.data.interfaces import BrokenImage, Sample
from ganflow.errors import UserError

MANY = 1000  # images; with more broken ones than that their share is judged before the last image is read


class LeftOut:
    """The images of a split that can't be used: at most the share `most` of it, rounded up."""

    def __init__(self, where: str, most: float):
        self.where, self.most = where, most
        self.images: list[dict[str, str]] = []  # of {sample, key, reason}, in the order of the samples

    def of(self, pictures: Iterable[tuple[Sample, np.ndarray | BrokenImage]]) -> Iterator[tuple[Sample, np.ndarray]]:
        """The pictures that can be used; raises UserError at the end, or after MANY broken ones, if too many can't."""
        seen = 0
        for seen, (sample, picture) in enumerate(pictures, 1):
            if isinstance(picture, BrokenImage):
                self.images.append({"sample": sample.key, "key": picture.key, "reason": picture.reason})
                if len(self.images) > MANY:
                    self._check(seen)
            else:
                yield sample, picture
        self._check(seen)

    def _check(self, seen: int) -> None:
        if len(self.images) > (allowed := math.ceil(self.most * seen)):
            first = self.images[0]
            raise UserError(
                f"{self.where}: {len(self.images)} of the first {seen} images can't be used, most_broken = {self.most} "
                f"allows {allowed}; the first has the key {first['key']!r}: {first['reason']}; download the archive "
                "again, or raise the dataset's most_broken"
            )
