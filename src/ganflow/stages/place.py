"""Where a clone stands: what both engines can't work with is said before anything is fetched or computed."""

from pathlib import Path

from ganflow.errors import UserError
from ganflow.stages.execution import PLAN
from ganflow.stages.graph import STAGES

TOPS = sorted({Path(stage.output).parts[0] for stage in STAGES.values()} | {PLAN.parts[0]})


def check_place() -> None:
    """Raises UserError if a folder of outputs is a link, if the path has a character that DVC stumbles over, or if DVC
    misses git, as in an archive of the sources."""
    here = Path.cwd()
    git = any((folder / ".git").exists() for folder in (here, *here.parents))
    settings = [file.read_text() for file in Path(".dvc").glob("config*")]
    if settings and not git and not any("no_scm = true" in text for text in settings):
        raise UserError(
            f"{here}: is no git repository, which DVC looks for; run `git init`, or without git "
            "`dvc config --local core.no_scm true`"
        )
    if held := sorted(set("{}") & set(str(here))):
        raise UserError(f"{here}: DVC can't work in a folder with {' and '.join(held)} in its path; rename it")
    for top in TOPS:
        if Path(top).is_symlink():
            raise UserError(
                f"{top}: is a link to {Path(top).readlink()}, and DVC and Snakemake take outputs in the clone alone; "
                "remove the link, and either move the whole clone to that disk, or keep the data in a cache there: "
                "`dvc cache dir FOLDER` and `dvc config cache.type symlink` (docs/data.md)"
            )
