"""schema: params.schema.json, by which editors complete and check params.yaml; generated from the models and the
components."""

from pathlib import Path
from types import ModuleType
from typing import Any

from ganflow.artifacts import write_json
from ganflow.components import Component, component_class, names
from ganflow.config import Experiment, Training
from ganflow.data import distributions, formats, sources
from ganflow.data.interfaces import Distribution, Source
from ganflow.evaluation import extractors, metrics
from ganflow.evaluation.interfaces import Extractor, Metric
from ganflow.methods import conditionings, constraints, objectives, optimizers
from ganflow.methods.interfaces import Conditioning, Constraint, Objective, Optimizer
from ganflow.networks import families
from ganflow.networks.interfaces import Network
from ganflow.studies import cases
from ganflow.studies.interfaces import Study

SCHEMA = Path("params.schema.json")
CHOICES: dict[tuple[str, str], tuple[ModuleType, type[Component]]] = {
    ("Dataset", "source"): (sources, Source),
    ("Variant", "network"): (families, Network),
    ("Variant", "critic_network"): (families, Network),
    ("Variant", "conditioning"): (conditionings, Conditioning),
    ("Variant", "objective"): (objectives, Objective),
    ("Variant", "constraint"): (constraints, Constraint),
    ("Variant", "optimizer"): (optimizers, Optimizer),
    ("Evaluation", "extractor"): (extractors, Extractor),
    ("Curve", "metric"): (metrics, Metric),
}


NESTED: dict[str, dict[str, tuple[ModuleType, type[Component]]]] = {
    "drawn": {"distribution": (distributions, Distribution)}
}  # choices in the settings of a component


def run(experiment: Experiment) -> None:
    """Writes params.schema.json."""
    write_json(SCHEMA, schema())


def schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of params.yaml, with every component's settings and their descriptions."""
    whole = Experiment.model_json_schema()
    definitions = whole["$defs"]
    for (model, field), (package, kind) in CHOICES.items():
        plain = {key: value for key, value in definitions[model]["properties"][field].items() if key != "$ref"}
        definitions[model]["properties"][field] = plain | _choice(package, kind, definitions)
    definitions["Dataset"]["properties"]["format"] = {
        "enum": names(formats),
        "description": definitions["Dataset"]["properties"]["format"]["description"],
    }
    definitions["Evaluation"]["properties"]["metrics"]["items"] = _choice(metrics, Metric, definitions)
    whole["properties"]["studies"]["items"] = _choice(cases, Study, definitions)
    changes = Training.model_json_schema() | {"title": "changes of the training section"}
    changes.pop("required")
    definitions["Variant"]["properties"]["training"] |= changes
    steps = definitions["CriticSteps"]
    definitions["CriticSteps"] = {
        "anyOf": [{"type": "integer", "minimum": 1}, steps],
        "description": steps["description"],
    }
    del definitions["Choice"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | whole


def _choice(package: ModuleType, kind: type[Component], definitions: dict[str, Any]) -> dict[str, Any]:
    """A name, or a name with settings."""
    settings = {}
    for name in names(package):
        found = component_class(package, kind, name, "schema").model_json_schema()
        definitions |= found.pop("$defs", {})
        for field, (inner, what) in NESTED.get(name, {}).items():
            about = {"description": found["properties"][field]["description"]}
            found["properties"][field] = about | _choice(inner, what, definitions)
        settings[name] = found
    plain = [name for name in settings if not settings[name].get("required")]
    with_settings = {"type": "object", "properties": settings, "additionalProperties": False}
    return {"anyOf": [{"enum": plain}, with_settings | {"minProperties": 1, "maxProperties": 1}]}
