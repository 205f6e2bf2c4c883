"""The task of a variant on a dataset, and its method, from params.yaml."""

from ganflow.components import components_of, named_class
from ganflow.config import Experiment
from ganflow.data.interfaces import Condition
from ganflow.errors import UserError, suggestion
from ganflow.methods.interfaces import Method, Task
from ganflow.params_file import checked


def task_of(experiment: Experiment, dataset: str, variant: str, labelled: bool = True) -> Task:
    """The task of a variant on a dataset; `labelled`: whether its samples have classes."""
    chosen, training = experiment.variants[variant], experiment.training_of(variant)
    described, key = experiment.datasets[dataset], f"datasets.{dataset}"
    conditions = components_of(Condition, described.conditions, f"{key}.conditions")
    return Task(variant, chosen, training, described.shape, labelled, key, conditions)


def method_of(task: Task) -> Method:
    """The method of a task; raises UserError for unknown names, invalid settings and invalid combinations."""
    name = task.variant.method.name
    kind = named_class(Method.folder, name, f"variants.{task.name}.method")
    method: Method = checked(kind, task.variant.method.settings, task.key)
    for player in task.variant.optimizers:
        if player not in method.players:
            raise UserError(
                f"params.yaml: variants.{task.name}.optimizers.{player}: the method {name!r} has no such player; "
                f"{suggestion(player, method.players, 'it has')}"
            )
    for player in method.players:
        task.optimizer(player)
    method.check(task)
    return method
