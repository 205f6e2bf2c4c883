"""Images that can't be used are left out and listed, each with its key and the reason; too many of them are refused."""

import math
from collections.abc import Iterable, Iterator

from ganflow.data.interfaces import CorruptImage, Sample
from ganflow.errors import UserError

MANY = 1000  # images; with more broken ones than that their share is judged before the last image is read

Left = dict[str, str]  # sample, key, reason


class SkippedImages:
    """The images of a split that can't be used: at most the share `most` of those `seen`, rounded up."""

    def __init__(self, where: str, most: float):
        self.where, self.most = where, most
        self.seen = 0
        self.images: list[Left] = []  # in the order of the samples

    def of(self, encoded: Iterable[tuple[Sample, bytes | CorruptImage]]) -> Iterator[bytes]:
        """What can be used; raises UserError at the end, or after MANY broken ones, if too many can't."""
        for sample, content in encoded:
            self.seen += 1
            if isinstance(content, CorruptImage):
                self.images.append({"sample": sample.key, "key": content.key, "reason": content.reason})
                if len(self.images) > MANY:
                    self._check()
            else:
                yield content
        self._check()

    def _check(self) -> None:
        if len(self.images) > (allowed := math.ceil(self.most * self.seen)):
            first = self.images[0]
            raise UserError(
                f"{self.where}: {len(self.images)} of the first {self.seen} images can't be used, max_corrupt = "
                f"{self.most} allows {allowed}; the first has the key {first['key']!r}: {first['reason']}; download "
                "the archive again, or raise the dataset's max_corrupt"
            )
