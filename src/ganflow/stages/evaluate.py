"""evaluate: scores a trained generator by the metrics of params.yaml, with the protocol that each number was made
under."""

import csv

import torch

from ganflow.artifacts import read_json, write_json
from ganflow.config import Experiment
from ganflow.data.interfaces import SPLITS
from ganflow.evaluation.images import generated_images
from ganflow.evaluation.interfaces import metrics_of
from ganflow.stages.execution import claim_gpu, device_of, outputs
from ganflow.stages.units import unit_of
from ganflow.training.weights import load_generator, load_tensors


def run(experiment: Experiment, dataset: str, variant: str, seed: str) -> None:
    """Writes results/<experiment>/scores/<dataset>/<variant>/<seed>: score.json and a manifest."""
    device = device_of(experiment)
    unit = unit_of(experiment, device, "evaluate", dataset, variant, seed)
    asked = experiment.evaluation
    if device == "cuda":
        torch.cuda.set_device(claim_gpu(torch.cuda.device_count()))
    reference, trained = unit.inputs
    averaged = asked.weights == "ema" and (trained / "generator_ema.safetensors").exists()
    with outputs(unit) as folder:
        module, about = load_generator(trained / f"generator{'_ema' if averaged else ''}.safetensors", device)
        images = generated_images(
            module, asked.images, about["latent"], asked.batch_size, int(seed), device, about["classes"]
        )
        floor = read_json(reference / "floor.json")
        scores, protocol = {}, {}
        for name, metric in metrics_of(asked).items():
            if name not in floor["scores"]:
                continue  # it says nothing of this dataset
            real, known = load_tensors(reference / f"{name}.safetensors")
            scores[name] = metric.score(real, metric.statistics(images))
            protocol[name] = metric.model_dump(mode="json") | {"real_images": known["images"]}
        with (trained / "journal.csv").open(newline="") as file:
            last = list(csv.DictReader(file))[-1]
        content = {
            "dataset": dataset,
            "variant": variant,
            "seed": int(seed),
            "iteration": about["iteration"],
            "scores": scores,
            "floor": floor["scores"],
            "validation_critic_loss": float(last["validation_critic_loss"]),
            "validation_estimate": float(last["validation_estimate"]),
            "protocol": {
                "images": asked.images,
                "floor_images": floor["images"],
                "reference_split": SPLITS[0],
                "floor_split": SPLITS[1],
                "weights": "ema" if averaged else "raw",
                "batch_norm": "running statistics",
                "iteration": "final",
                **protocol,
            },
        }
        write_json(folder / "score.json", content)
