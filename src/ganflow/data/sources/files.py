"""Archives from given locations (a local path, a mirror, a shared disk), each verified by sha256."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from ganflow.config import Model, Sha256
from ganflow.data.faults import BadArchive
from ganflow.data.fetching import fetch
from ganflow.data.interfaces import Format, Source
from ganflow.errors import UserError, suggestion
from ganflow.progress import log

Location = Annotated[str, StringConstraints(min_length=1)]


class ArchiveLocation(Model):
    """Location and sha256 of one archive."""

    location: Location | Annotated[tuple[Location, ...], Field(strict=False, min_length=1)] = Field(
        description="a path, or a file://, http:// or https:// URL; or several of them, tried in order"
    )
    sha256: Sha256 | None = Field(None, description="64 hex digits; without it the error prints the digest found")

    @property
    def locations(self) -> tuple[str, ...]:
        return (self.location,) if isinstance(self.location, str) else self.location


class Files(Source):
    """Fetches each archive of the format from its location."""

    archives: dict[str, ArchiveLocation] = Field(
        description="by the names of the format's official archives",
        examples=[{"cifar-10-binary.tar.gz": {"location": "local/cifar-10-binary.tar.gz"}}],
    )

    def named(self, form: Format) -> dict[str, Any]:
        return {name: archive.model_dump(mode="json") for name, archive in self.archives.items()}

    def provide(self, form: Format, folder: Path) -> dict[str, str]:
        """Fetches every archive, verified by its sha256, and checks it: the smallest of the official ones first."""
        names = [archive.name for archive in form.archives]
        for unknown in sorted(set(self.archives) - set(names)):
            raise UserError(
                f"params.yaml: source.files.archives.{unknown}: the format has no such archive; "
                f"{suggestion(unknown, names, 'expected')}"
            )
        for name in names:
            if name not in self.archives:
                raise UserError(f"params.yaml: source.files.archives: `{name}` is missing; add its location and sha256")
        digests = {}
        for archive in sorted(form.archives, key=lambda archive: archive.bytes):
            given, target = self.archives[archive.name], folder / archive.name
            digests[archive.name] = fetch(given.locations, target, given.sha256, unpacked=form.unpacked)
            log(f"{' or '.join(given.locations)}: {form.check(target)}")
        return digests

    def told(self, bad: BadArchive) -> UserError:
        where = " or ".join(self.archives[bad.path.name].locations)
        return UserError(
            f"{where}: {bad.fault}; put a sound archive there, and its sha256 into params.yaml: "
            f"source.files.archives.{bad.path.name}.sha256"
        )
