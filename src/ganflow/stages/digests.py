"""The digest that says when a unit of work must be done again: over its parameters, the code that it runs and the
versions that decide bytes.

The code of a unit is the import closure of its stage and components (grimp, import-linter's own library, reads the
imports from the source), without the modules of INFRASTRUCTURE. Of a module counts what it does: comments, docstrings
and layout do not.
"""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import grimp

import ganflow
from ganflow.artifacts import digest_bytes, digest_file
from ganflow.errors import UserError

PACKAGE = Path(ganflow.__file__).parent
INFRASTRUCTURE = {  # modules that units run and that cannot change what they write; tests hold them to it
    "ganflow.artifacts": "puts files in their places",
    "ganflow.components": "finds components by name",
    "ganflow.config": "holds parameters, which have a place of their own in the digest",
    "ganflow.data.fetching": "fetches what a sha256 names",
    "ganflow.data.http_transfer": "fetches what a sha256 names",
    "ganflow.data.partial_file": "fetches what a sha256 names",
    "ganflow.errors": "says what is wrong",
    "ganflow.params_file": "says what is wrong",
    "ganflow.progress": "says how far it is",
    "ganflow.stages.digests": "decides when, not what",
    "ganflow.stages.execution": "puts outputs and logs in their places",
    "ganflow.stages.graph": "decides when, not what",
    "ganflow.stages.sections": "chooses parameters, which have a place of their own in the digest",
    "ganflow.stages.units": "decides when, not what",
}


def code_of(roots: Iterable[str]) -> dict[str, str]:
    """{module: digest of what it does} for everything of this package that some modules run; raises UserError for a
    module that does not exist."""
    return {module: module_digest(module) for module in sorted(closure(roots) - INFRASTRUCTURE.keys())}


def closure(roots: Iterable[str]) -> set[str]:
    """Some modules, all that they import, directly or not, and the packages that these lie in."""
    found: set[str] = set()
    for root in roots:
        if root not in imports().modules:
            raise UserError(f"params.yaml: {root.rpartition('.')[2]!r}: there is no src/{root.replace('.', '/')}.py")
        found |= {root, *imports().find_upstream_modules(root)}
    return found | {module.rsplit(".", level)[0] for module in found for level in range(1, module.count(".") + 1)}


@cache
def imports() -> grimp.ImportGraph:
    """Which module of the package imports which, but for those that a type checker alone needs."""
    return grimp.build_graph("ganflow", cache_dir=None, exclude_type_checking_imports=True)


@cache
def module_digest(module: str) -> str:
    """sha256 of a module's syntax tree without docstrings; of a package, of its data files too."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    if not path.is_dir():
        return digest_bytes(meaning(path.with_suffix(".py").read_text(encoding="utf-8")).encode())
    parts = [meaning((path / "__init__.py").read_text(encoding="utf-8"))]
    parts += [f"{file.relative_to(path).as_posix()} {digest_file(file)}" for file in _data_files(path)]
    return digest_bytes("\n".join(parts).encode())


def meaning(source: str) -> str:
    """The syntax tree of a module as text, without docstrings, comments and places."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _documented(node):
            del node.body[0]
    return ast.dump(tree)


def _documented(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return ast.get_docstring(node, clean=False) is not None


def _data_files(package: Path) -> list[Path]:
    """The files of a package that are not Python, but for those of packages inside it, sorted."""
    files = []
    for entry in sorted(package.iterdir()):
        if entry.is_dir():
            if entry.name != "__pycache__" and not (entry / "__init__.py").exists():
                files += [file for file in sorted(entry.rglob("*")) if file.is_file()]
        elif entry.suffix != ".py":
            files.append(entry)
    return files
