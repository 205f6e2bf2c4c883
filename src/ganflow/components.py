"""Components: one file each, found by name. A file such as `weight_clipping.py` defines one subclass of `Component`, a
frozen pydantic model whose fields are its settings in params.yaml."""

import gc
import importlib
import pkgutil
import re
import traceback
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel

from ganflow.config import Choice, In, Model
from ganflow.errors import UserError, suggestion
from ganflow.params_file import checked


class Component(Model):
    """Base class of everything that params.yaml selects by name."""

    folder: ClassVar[str]  # subpackage of the components of a kind, such as methods.objectives


C = TypeVar("C", bound=Component)


def component_names(folder: str) -> list[str]:
    """The names of all components in a folder of the package, sorted: of files that params.yaml can name, which those
    that editors and file managers leave beside them are not."""
    package = importlib.import_module(f"ganflow.{folder}")
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in found if re.fullmatch("[a-z][a-z0-9_]*", name))


def named_class(folder: str, name: str, where: str) -> Any:
    """The component class in the file `name`.py of a folder; raises UserError if there is no such file, if it can't be
    imported, and if it holds no component."""
    known = component_names(folder)
    if name not in known:
        raise UserError(f"params.yaml: {where} = {name!r}: there is no such component; {suggestion(name, known)}")
    file = f"src/ganflow/{folder.replace('.', '/')}/{name}.py"
    try:
        with without_collector():  # the first component that computes imports torch
            module = importlib.import_module(f"ganflow.{folder}.{name}")
    except UserError:
        raise
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("ganflow"):
            raise  # the environment lacks a package
        dangling = getattr(error, "name", None) == f"ganflow.{folder}.{name}"
        fault = ": a link that leads nowhere" if dangling else _told(error, f"{name}.py")
        raise UserError(f"params.yaml: {where} = {name!r}: {file}{fault}; correct it, or name another") from None
    found = [
        c
        for c in vars(module).values()
        if isinstance(c, type) and issubclass(c, Component) and c.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise UserError(
            f"params.yaml: {where} = {name!r}: {file}: defines {len(found) or 'no'} components, and is to define one, "
            "a subclass of its kind's class (docs/extending.md); correct it, or name another"
        )
    return found[0]


def source_fault(path: Path) -> str | None:
    """Why a file is no Python source in UTF-8, such as ": not UTF-8 text"; None if it is."""
    try:
        compile(path.read_text(encoding="utf-8"), path.name, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError) as error:
        return _told(error, path.name)
    return None


def _told(error: Exception, file: str) -> str:
    """An exception while a file is imported, with its line, for a message that begins with the file's name."""
    if isinstance(error, UnicodeDecodeError):
        return ": not UTF-8 text"
    if isinstance(error, OSError):
        return f": {str(error.strerror).lower()}"
    if isinstance(error, SyntaxError):
        return f"{f' line {error.lineno}' if error.lineno else ''}: not valid Python: {error.msg}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).name == file]
    return f"{f' line {lines[-1]}' if lines else ''}: {type(error).__name__}: {' '.join(str(error).split())}"


def names(kind: type[Component]) -> list[str]:
    """The names of all components of a kind, sorted."""
    return component_names(kind.folder)


def component_class(kind: type[C], name: str, where: str) -> type[C]:
    """The component class of a kind in the file `name`.py; raises UserError if there is no such file."""
    return named_class(kind.folder, name, where)


def component(kind: type[C], choice: Choice, where: str) -> C:
    """The component of a choice, with its settings checked; `where` is the key for messages."""
    return checked(component_class(kind, choice.name, where), choice.settings, f"{where}.{choice.name}")


def components_of(kind: type[C], listed: Iterable[Choice], where: str) -> dict[str, C]:
    """{name: component} of a list of choices; raises UserError for an unknown or repeated one."""
    found: dict[str, C] = {}
    for index, choice in enumerate(listed):
        if choice.name in found:
            raise UserError(f"params.yaml: {where}.{index} = {choice.name!r}: is listed twice; remove one")
        found[choice.name] = component(kind, choice, f"{where}.{index}")
    return found


def choices(model: BaseModel, where: str = "", only: Collection[str] = ()) -> Iterator[tuple[str, str, Component]]:
    """(dotted key, module, component) of all components that a model of params.yaml selects, and that these select.

    Keys start with `where`. With `only` some of the model's fields, no module of another is imported. Raises UserError
    for an unknown name or setting.
    """
    for name, field in type(model).model_fields.items():
        if only and name not in only:
            continue
        folder = next((mark.folder for mark in field.metadata if isinstance(mark, In)), None)
        for key, value in _leaves(getattr(model, name), f"{where}.{name}" if where else name):
            if folder and isinstance(value, Choice | str):
                choice = Choice(name=value) if isinstance(value, str) else value
                found = checked(named_class(folder, choice.name, key), choice.settings, f"{key}.{choice.name}")
                yield key, f"ganflow.{folder}.{choice.name}", found
                yield from choices(found, f"{key}.{choice.name}")
            elif isinstance(value, BaseModel):
                yield from choices(value, key)


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    match value:
        case dict():
            for inner, item in value.items():
                yield from _leaves(item, f"{key}.{inner}")
        case tuple() | list():
            for index, item in enumerate(value):
                yield from _leaves(item, f"{key}.{index}")
        case _:
            yield key, value


@contextmanager
def without_collector() -> Iterator[None]:
    """Imports leave next to no garbage, and looking for it takes a tenth of their time."""
    if not gc.isenabled():  # inside another such block
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
