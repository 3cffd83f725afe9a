"""One experiment, from seeds to a trained model and its numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import NamedTuple

import torch
from torch import Tensor, nn

from videoformer_edu.cost import count_macs
from videoformer_edu.experiments.catalogue import Experiment, held_out_examples, training_batches, validation_examples
from videoformer_edu.experiments.evaluate import digit_scores, motion_probes, motion_scores, predict, share
from videoformer_edu.experiments.fit import Recipe, fit
from videoformer_edu.experiments.looking import attention_facts
from videoformer_edu.pretrained.small import build_small

POINTS = 16  # of a learning curve


class Trained(NamedTuple):
    """A model in eval mode, its weights rounded to float16 as they are stored, and the row of its run."""

    model: nn.Module
    row: dict


def train(experiment: Experiment, seed: int, log: Callable[[str], None]) -> Trained:
    """One run. The row: seed, accuracies, training seconds of processor time, and the curve
    `[step, mean loss since the last point, validation accuracy]`."""
    inputs, labels = validation_examples(experiment.kind)
    torch.manual_seed(seed)
    model = build_small(experiment.model)
    watch = Watch(model, experiment.recipe, inputs[:512], labels[:512],
                  lambda line: log(f"{experiment.name}  seed {seed}  {line}"))
    start = time.process_time()
    torch.manual_seed(seed)
    fit(model, training_batches(experiment.kind, experiment.recipe, seed), experiment.recipe, watch)
    seconds = time.process_time() - start - watch.seconds

    model.half().float().eval()  # the numbers are those of the weights as they are stored
    row = {"seed": seed, "validation": share(predict(model, inputs) == labels)}
    row |= (digit_scores if experiment.kind == "digits" else motion_scores)(model, *held_out_examples(experiment.kind))
    row |= {"cpu_seconds": round(seconds), "curve": watch.curve}
    return Trained(model, row)


class Watch:
    """Follows a run: a point of the curve now and then, a line to the log, and the seconds that looking took."""

    def __init__(self, model: nn.Module, recipe: Recipe, inputs: Tensor, labels: Tensor, log: Callable[[str], None]):
        self.model, self.recipe, self.inputs, self.labels, self.log = model, recipe, inputs, labels, log
        self.every = max(100, recipe.steps // POINTS)
        self.losses, self.curve, self.seconds = [], [], 0.0

    def __call__(self, done: int, loss: float) -> None:
        self.losses.append(loss)
        if done % self.every and done != self.recipe.steps:
            return
        start = time.process_time()
        right = share(predict(self.model, self.inputs) == self.labels)
        self.model.train()
        self.curve.append([done, round(sum(self.losses) / len(self.losses), 4), right])
        self.losses = []
        self.seconds += time.process_time() - start
        self.log(f"step {done:5d} / {self.recipe.steps}  loss {self.curve[-1][1]:.3f}  validation {right:6.1%}")


def measure(experiment: Experiment, runs: list[Trained]) -> tuple[nn.Module, dict]:
    """The model of the first run and everything known about the experiment; the other runs show the spread."""
    model, row = runs[0]
    inputs, labels = held_out_examples(experiment.kind)
    result = {
        "model": experiment.model,
        "task": experiment.kind,
        "ships": experiment.ships,
        "note": experiment.note,
        "recipe": asdict(experiment.recipe),
        "parameters": sum(p.numel() for p in model.parameters()),
        "macs": count_macs(model, *inputs[:1].shape),
        **{key: value for key, value in row.items() if key not in ("cpu_seconds", "curve")},
        "attention": attention_facts(model, experiment.kind),
        "runs": [run.row for run in runs],
    }
    if experiment.kind != "digits":
        result["probes"] = motion_probes(model, inputs, labels)
    return model, result
