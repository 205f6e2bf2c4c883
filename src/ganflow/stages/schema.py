"""schema: generates params.schema.json, for editors, and the tables in README and docs, from models, components and
published scores."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ganflow.artifacts import write_json
from ganflow.components import component_names, named_class
from ganflow.config import Choice, Curve, Dataset, Evaluation, Experiment, In, Training, Variant
from ganflow.stages import published_scores
from ganflow.stages.docs import write_tables

SCHEMA = Path("params.schema.json")
ANY_CHOICE = {"$ref": f"#/$defs/{Choice.__name__}"}


def run(experiment: Experiment, scores: bool) -> None:
    """Writes params.schema.json and, in a clone, the tables in README and docs; `scores`: with this experiment's."""
    write_json(SCHEMA, schema())
    if scores:
        published_scores.take(experiment)
    write_tables()


def schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of params.yaml, with every component's settings and their descriptions."""
    found = Experiment.model_json_schema()
    definitions = found["$defs"]
    for model in (Dataset, Variant, Evaluation, Curve):
        _name_components(model, definitions[model.__name__], definitions)
    _name_components(Experiment, found, definitions)
    variant = definitions["Variant"]
    adversarial = _settings("methods.recipes", "adversarial", definitions)["properties"]
    variant["properties"] |= {key: adversarial[key] for key in Variant.short_keys}
    variant["required"].remove("method")
    variant["oneOf"] = [{"required": ["method"]}, {"required": ["objective"]}]
    changes = Training.model_json_schema() | {"title": "changes of the training section"}
    changes.pop("required")
    definitions |= changes.pop("$defs", {})
    variant["properties"]["training"] |= changes
    del definitions["Choice"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | found


def _name_components(model: type[BaseModel], described: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Adds the available components to the fields of a model's schema."""
    for name, field in model.model_fields.items():
        for mark in field.metadata:
            if isinstance(mark, In):
                known = described["properties"][name]
                if field.annotation is str:
                    described["properties"][name] = {
                        "enum": component_names(mark.folder),
                        "description": known["description"],
                    }
                else:
                    described["properties"][name] = _replaced(known, _choice(mark.folder, definitions))


def _replaced(described: Any, choice: dict[str, Any]) -> Any:
    """A schema with `choice` instead of the reference to any choice."""
    if isinstance(described, list):
        return [_replaced(item, choice) for item in described]
    if not isinstance(described, dict):
        return described
    rest = {key: _replaced(value, choice) for key, value in described.items() if key != "$ref"}
    return rest | choice if described.get("$ref") == ANY_CHOICE["$ref"] else described | rest


def _choice(folder: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """A name, or a name with settings."""
    settings = {name: _settings(folder, name, definitions) for name in component_names(folder)}
    plain = [name for name in settings if not settings[name].get("required")]
    with_settings = {"type": "object", "properties": settings, "additionalProperties": False}
    return {"anyOf": [{"enum": plain}, with_settings | {"minProperties": 1, "maxProperties": 1}]}


def _settings(folder: str, name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """The settings of one component."""
    model = named_class(folder, name, "schema")
    found = model.model_json_schema()
    definitions |= found.pop("$defs", {})
    _name_components(model, found, definitions)
    return found
