"""Images that can't be used are skipped and listed with key and reason; too many of them are an error."""

import math
from collections.abc import Iterable, Iterator

from ganflow.data.interfaces import CorruptImage, Sample
from ganflow.errors import UserError

EARLY_CHECK = 1000  # skipped images from which on the limit is checked before all images are read

Skipped = dict[str, str]  # sample, key, reason


class SkippedImages:
    """The skipped images of a split: at most the share `limit` of those `seen`, rounded up."""

    def __init__(self, where: str, limit: float):
        self.where, self.limit = where, limit
        self.seen = 0
        self.images: list[Skipped] = []  # in the order of the samples

    def filter(self, encoded: Iterable[tuple[Sample, bytes | CorruptImage]]) -> Iterator[bytes]:
        """Yields the usable images; raises UserError if more than the limit are skipped."""
        for sample, content in encoded:
            self.seen += 1
            if isinstance(content, CorruptImage):
                self.images.append({"sample": sample.key, "key": content.key, "reason": content.reason})
                if len(self.images) > EARLY_CHECK:
                    self._check()
            else:
                yield content
        self._check()

    def _check(self) -> None:
        if len(self.images) > (allowed := math.ceil(self.limit * self.seen)):
            first = self.images[0]
            raise UserError(
                f"{self.where}: {len(self.images)} of the first {self.seen} images can't be used, max_corrupt = "
                f"{self.limit} allows {allowed}; the first has the key {first['key']!r}: {first['reason']}; download "
                "the archive again, or raise the dataset's max_corrupt"
            )
