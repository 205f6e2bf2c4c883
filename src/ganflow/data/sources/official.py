"""The official archives, from their authors' servers, verified by published digests."""

from pathlib import Path
from typing import Any

from ganflow.data.fetching import fetch
from ganflow.data.interfaces import Format, Source


class Official(Source):
    """Downloads the archives that the format names."""

    def named(self, form: Format) -> dict[str, Any]:
        return {archive.name: archive._asdict() | {"urls": list(archive.urls)} for archive in form.archives}

    def counts(self, form: Format) -> dict[str, int]:
        return form.images

    def refusal(self, form: Format, shape: tuple[int, ...]) -> str | None:
        if not all(archive.urls for archive in form.archives):
            return "downloads official archives, and the format has none; choose another source"
        return None

    def provide(self, form: Format, folder: Path) -> dict[str, str]:
        """Downloads every archive of the format, verified by size and sha256, the smallest first."""
        digests = {}
        for archive in sorted(form.archives, key=lambda archive: archive.bytes):
            target = folder / archive.name
            digests[archive.name] = fetch(archive.urls, target, archive.sha256, archive.bytes)
            form.check(target)
        return digests
