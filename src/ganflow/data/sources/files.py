"""Archives that lie elsewhere: a local path, a mirror, a shared disk; each with the sha256 that it must have."""

import difflib
from pathlib import Path

from pydantic import Field

from ganflow.config import Model
from ganflow.data.fetching import fetch
from ganflow.data.interfaces import Format, Source
from ganflow.errors import UserError


class Place(Model):
    """Where one archive lies, and what it must be."""

    location: str = Field(min_length=1, description="a path, or a file://, http:// or https:// URL")
    sha256: str | None = Field(
        None, pattern=r"^([0-9a-f]{64})?$", description="64 hex digits; without it the error prints the digest found"
    )


class Files(Source):
    """Fetches each archive of the format from the place given for it."""

    archives: dict[str, Place] = Field(description="by the names of the format's official archives")

    def deliver(self, form: Format, folder: Path) -> None:
        """Fetches every archive, verified by its sha256."""
        names = [archive.name for archive in form.archives]
        for unknown in sorted(set(self.archives) - set(names)):
            near = difflib.get_close_matches(unknown, names, n=1)
            cure = f"did you mean `{near[0]}`?" if near else f"expected: {', '.join(names)}"
            raise UserError(f"params.yaml: source.files.archives.{unknown}: the format has no such archive; {cure}")
        for name in names:
            if name not in self.archives:
                raise UserError(f"params.yaml: source.files.archives: `{name}` is missing; add its location and sha256")
        for name in names:
            fetch(self.archives[name].location, folder / name, self.archives[name].sha256)
