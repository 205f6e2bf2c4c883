"""The digest of a unit of work, whose change makes it run again: over its parameters, code and package versions.

The code of a unit is the import closure of its stage and components (read from the source by grimp, the library of
import-linter), without the modules of INFRASTRUCTURE. A module is represented by its syntax tree without docstrings, so
comments, docstrings and layout have no effect.
"""

import ast
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import grimp
from grimp.adaptors.modulefinder import ModuleFinder
from grimp.application.config import settings

import ganflow
from ganflow.artifacts import digest_bytes, digest_file
from ganflow.components import source_fault
from ganflow.errors import UserError

PACKAGE = Path(ganflow.__file__).parent
INFRASTRUCTURE = {  # modules that can't affect the contents of outputs; tests check this
    "ganflow.artifacts": "writes files",
    "ganflow.components": "finds components by name",
    "ganflow.config": "parameters, which are a separate part of the digest",
    "ganflow.cpu_sharing": "schedules threads and memory",
    "ganflow.data.fetching": "downloads files with a known sha256",
    "ganflow.data.http_transfer": "downloads files with a known sha256",
    "ganflow.data.partial_file": "downloads files with a known sha256",
    "ganflow.errors": "error messages",
    "ganflow.locks": "keeps writers apart",
    "ganflow.params_file": "error messages",
    "ganflow.progress": "progress messages",
    "ganflow.stages.digests": "determines when units run",
    "ganflow.stages.execution": "writes outputs and logs",
    "ganflow.stages.graph": "determines when units run",
    "ganflow.stages.recipes": "determines when units run",
    "ganflow.stages.sections": "selects parameters, which are a separate part of the digest",
    "ganflow.stages.units": "determines when units run",
}


def code_of(roots: Iterable[str]) -> dict[str, str]:
    """{module: digest} of modules and their imports in this package; raises UserError for a missing module."""
    return {module: module_digest(module) for module in sorted(closure(roots) - INFRASTRUCTURE.keys())}


def closure(roots: Iterable[str]) -> set[str]:
    """Some modules, all their direct and indirect imports, and the packages of these."""
    found: set[str] = set()
    for root in roots:
        if root not in imports().modules:
            file = f"src/{root.replace('.', '/')}.py"
            fault = source_fault(_file_of(root)) if _file_of(root).is_file() else None
            if fault:
                raise UserError(f"{file}{fault}; correct it")
            raise UserError(f"params.yaml: {root.rpartition('.')[2]!r}: there is no {file}")
        found |= {root, *imports().find_upstream_modules(root)}
    return found | {module.rsplit(".", level)[0] for module in found for level in range(1, module.count(".") + 1)}


@cache
def imports() -> grimp.ImportGraph:
    """The import graph of the package, without imports for type checking, and without files that are no Python source
    and that nothing imports, such as a component that is being written.

    Raises UserError for such a file that is imported.
    """
    try:
        return _imports()
    except (grimp.exceptions.SourceSyntaxError, UnicodeError, OSError):
        settings.configure(MODULE_FINDER=_SourceFinder())
    sources = [file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py") if source_fault(file) is None]
    for file in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(["ganflow", *file.relative_to(PACKAGE).with_suffix("").parts])
        package, _, name = module.rpartition(".")
        imported = re.compile(rf"\b{module}\b|\bfrom {package} import [^\n]*\b{name}\b")
        if (fault := source_fault(file)) and name.isidentifier() and any(map(imported.search, sources)):
            raise UserError(f"src/{module.replace('.', '/')}.py{fault}; correct it")
    return _imports()


def _imports() -> grimp.ImportGraph:
    return grimp.build_graph("ganflow", cache_dir=None, exclude_type_checking_imports=True)


class _SourceFinder(ModuleFinder):  # type: ignore[misc, unused-ignore]
    """Finds the modules whose files are Python source."""

    def _is_python_file(self, filename: str, dirpath: str) -> bool:
        return super()._is_python_file(filename, dirpath) and source_fault(Path(dirpath, filename)) is None


def _file_of(module: str) -> Path:
    return PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")


@cache
def module_digest(module: str) -> str:
    """sha256 of a module's syntax tree without docstrings; of a package, of its data files too."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    if not path.is_dir():
        return digest_bytes(syntax_tree(path.with_suffix(".py").read_text(encoding="utf-8")).encode())
    parts = [syntax_tree((path / "__init__.py").read_text(encoding="utf-8"))]
    parts += [f"{file.relative_to(path).as_posix()} {digest_file(file)}" for file in _data_files(path)]
    return digest_bytes("\n".join(parts).encode())


def syntax_tree(source: str) -> str:
    """The syntax tree of a module as text, without docstrings, comments and line numbers."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _documented(node):
            del node.body[0]
    return ast.dump(tree)


def _documented(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return ast.get_docstring(node, clean=False) is not None


def _data_files(package: Path) -> list[Path]:
    """The non-Python files of a package, without those of its subpackages and those that editors leave, sorted."""
    files = []
    for entry in sorted(package.iterdir()):
        if entry.is_dir():
            if entry.name != "__pycache__" and not (entry / "__init__.py").exists():
                files += sorted(entry.rglob("*"))
        elif entry.suffix != ".py":
            files.append(entry)
    return [file for file in files if file.is_file() and not any(map(_is_left, file.relative_to(package).parts))]


def _is_left(name: str) -> bool:
    """Whether a name is one of swap files, locks, backups and checkpoints of editors."""
    return name.startswith((".", "#")) or name.endswith("~")
