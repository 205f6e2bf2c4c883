"""torch's kernels for tensors without data, imported when something first asks for them.

`import torch` ends with them, for its compiler, and spends a quarter of its time there, in each process of a stage. No
component here compiles; one that does gets them with the compiler.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

MODULE, COMPILER = "torch._meta_registrations", "torch._dynamo"


class _Deferred(MetaPathFinder, Loader):
    """Finds that one module as the path does, and executes it when one of its names is read."""

    real: Loader

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == COMPILER and MODULE in sys.modules:
            _ = sys.modules[MODULE].register_meta
        if name != MODULE or (spec := PathFinder.find_spec(name, path, target)) is None or spec.loader is None:
            return None
        self.real, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        def read(name: str) -> Any:
            if name.startswith("__"):  # `inspect` asks every module for such
                raise AttributeError(name)
            del vars(module)["__getattr__"]
            self.real.exec_module(module)
            return getattr(module, name)

        vars(module)["__getattr__"] = read


def defer_meta_kernels() -> None:
    """Has an effect in a process that has not imported torch."""
    if "torch" not in sys.modules:
        sys.meta_path.insert(0, _Deferred())
