"""Generators as MLflow models: the weights file, the modules that read it, a signature and an input example."""

import shutil
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import grimp
import numpy as np

import ganflow
from ganflow.randomness import generator
from ganflow.tensor_metadata import header
from ganflow.training.description import Header

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOADER = "ganflow.reporting.generator_model"
NEEDS = ("mlflow", "numpy", "pydantic", "ruamel.yaml", "safetensors", "torch")
EXAMPLES = 4  # latent vectors in the input example: the first of the sample grids


def log_generator(client: "MlflowClient", home: str, run: str, weights: Path) -> str:
    """Adds a generator to a run of the experiment `home`; returns the model's id."""
    import mlflow.pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    about = header(weights, Header)
    shape, example = tuple(about["shape"]), _example(about)
    sizes = (-1, -1, -1, example.shape[3]) if example.ndim == 4 else (-1, example.shape[1])
    model = client.create_logged_model(
        home,
        name=f"{about['variant']}-{about['seed']}-{about['dataset']}",
        source_run_id=run,
        model_type="generator",
        params={key: str(about[key]) for key in ("dataset", "variant", "seed", "iteration", "latent", "shape")},
    )
    with TemporaryDirectory() as temporary:
        code, folder = Path(temporary, "ganflow"), Path(temporary, "model")
        _copy_code(code, about["network"]["name"])
        mlflow.pyfunc.save_model(
            folder,
            loader_module=LOADER,
            data_path=str(weights),
            code_paths=[str(code)],
            signature=ModelSignature(
                Schema([TensorSpec(example.dtype, sizes)]),
                Schema([TensorSpec(np.dtype(np.uint8 if len(shape) == 3 else np.float32), (-1, *shape))]),
            ),
            input_example=example,
            pip_requirements=[f"{package}=={version(package).partition('+')[0]}" for package in NEEDS],
            mlflow_model=Model(model.artifact_location, run, model_uuid=model.model_id, model_id=model.model_id),
        )
        client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, "READY")
    return model.model_id


def _example(about: dict[str, Any]) -> np.ndarray:
    """An input of the generator: latent vectors, with the first class if there are any, or images for a translator."""
    if about.get("translation"):
        side, channels = about["arguments"]["resolution"], about["arguments"]["channels"]
        return np.full((EXAMPLES, side, side, channels), 128, np.uint8)
    latent = about["latent"]
    example = np.zeros((EXAMPLES, latent + about["classes"]), np.float32)
    example[:, :latent] = generator(about["seed"], "latent/grid").standard_normal((EXAMPLES, latent), np.float32)
    example[:, latent : latent + 1] = 1
    return example


def _copy_code(target: Path, family: str) -> None:
    """Copies the package's modules that load a generator of a network family."""
    package = Path(ganflow.__file__).parent
    for module in _modules(family):
        source = package.joinpath(*module.split(".")[1:])
        source = source / "__init__.py" if source.is_dir() else source.with_suffix(".py")
        copy = target / source.relative_to(package)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)


@cache
def _modules(family: str) -> set[str]:
    imports = grimp.build_graph("ganflow", cache_dir=None)
    roots = {LOADER, f"ganflow.networks.families.{family}"}
    modules = roots.union(*(imports.find_upstream_modules(root) for root in roots))
    return modules | {module.rsplit(".", level)[0] for module in modules for level in range(1, module.count(".") + 1)}
