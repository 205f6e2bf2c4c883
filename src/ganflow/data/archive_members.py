"""Names of the members of an archive as people pack it: with or without its folder, from a shell or a file manager."""

ADDED = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")  # by file managers, as are files that begin with ._
MOST_MEMBERS = 1000  # official archives have at most nine; file managers may add some to each


def member_name(name: str, folder: str) -> str | None:
    """The name of a member inside `folder`, the only folder of the archive: that of "./folder/name" and of "name" is
    "name", that of the folder itself is empty. Any other folder stays, and None is for what file managers add.
    """
    parts = [part for part in name.split("/") if part != "."]
    if any(part in ADDED or part.startswith("._") for part in parts):
        return None
    if parts[:1] == [folder]:
        del parts[0]
    return "/".join(parts).removesuffix("/")
