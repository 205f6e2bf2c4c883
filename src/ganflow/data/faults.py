"""Archives that can't be used, and what libraries say of damaged bytes, in one line without addresses in memory."""

import errno
import re
from pathlib import Path

from ganflow.errors import UserError

LONGEST = 200  # characters
ENVIRONMENT = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EIO,
    errno.EMFILE,
    errno.ENOMEM,
)
ADDRESS = re.compile(r"<[^<>]* at 0x[0-9a-fA-F]+>| at 0x[0-9a-fA-F]+")


class BadArchive(UserError):
    """An archive that can't be used, and why; its source knows where it is from and adds what to do (`told`)."""

    def __init__(self, path: Path, fault: str):
        super().__init__(f"{path}: {fault}")
        self.path, self.fault = path, fault


def reason_of(error: BaseException) -> str:
    """The message of a library's exception: one line of at most 200 characters; without any, the name of its type."""
    return " ".join(ADDRESS.sub("", str(error)).split())[:LONGEST] or type(error).__name__


def of_environment(error: BaseException) -> bool:
    """Whether an exception is about disk, memory or permissions, and not about what a file holds."""
    return isinstance(error, OSError) and error.errno in ENVIRONMENT
