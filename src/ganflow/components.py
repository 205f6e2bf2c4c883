"""Components: one file each, found by its name. A file `weight_clipping.py` in a package holds one subclass of
`Component`, a frozen pydantic model whose fields are its settings in params.yaml and whose methods are what it does."""

import difflib
import importlib
import pkgutil
from types import ModuleType
from typing import TypeVar

from ganflow.config import Choice, Model, checked
from ganflow.errors import UserError


class Component(Model):
    """Base of everything that params.yaml chooses by name."""


C = TypeVar("C", bound=Component)


def names(package: ModuleType) -> list[str]:
    """The names of the components in a package, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def component_class(package: ModuleType, kind: type[C], name: str, where: str) -> type[C]:
    """The one subclass of `kind` in `package`/`name`.py; raises UserError for a name that has no file."""
    known = names(package)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        cure = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}"
        raise UserError(f"params.yaml: {where} = {name!r}: there is no such component; {cure}")
    module = importlib.import_module(f"{package.__name__}.{name}")
    [found] = [
        c
        for c in vars(module).values()
        if isinstance(c, type) and issubclass(c, kind) and c.__module__ == module.__name__
    ]
    return found


def component(package: ModuleType, kind: type[C], choice: Choice, where: str) -> C:
    """The component that a choice names, with its settings checked; `where` is the key for messages."""
    return checked(component_class(package, kind, choice.name, where), choice.settings, f"{where}.{choice.name}")
