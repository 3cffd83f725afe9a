"""One experiment, from seeds to a trained model and its numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import NamedTuple

import torch
from torch import nn

from videoformer_edu.cost import count_macs
from videoformer_edu.experiments.catalogue import Experiment, held_out_examples, training_batches, validation_examples
from videoformer_edu.experiments.evaluate import digit_scores, motion_probes, motion_scores, predict, share
from videoformer_edu.experiments.fit import fit
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
    recipe = experiment.recipe
    inputs, labels = validation_examples(experiment.kind)
    torch.manual_seed(seed)
    model = build_small(experiment.model)
    every = max(1, recipe.steps // POINTS)
    losses, curve, watching = [], [], 0.0

    def after_step(done: int, loss: float) -> None:
        nonlocal watching
        losses.append(loss)
        if done % every and done != recipe.steps:
            return
        start = time.process_time()
        right = share(predict(model, inputs[:512]) == labels[:512])
        model.train()
        curve.append([done, round(sum(losses) / len(losses), 4), right])
        losses.clear()
        watching += time.process_time() - start
        log(f"{experiment.name}  seed {seed}  step {done:5d} / {recipe.steps}  loss {curve[-1][1]:.3f}  "
            f"validation {right:6.1%}")

    start = time.process_time()
    torch.manual_seed(seed)
    fit(model, training_batches(experiment.kind, recipe, seed), recipe, after_step)
    seconds = time.process_time() - start - watching

    model.half().float().eval()  # the numbers are those of the weights as they are stored
    row = {"seed": seed, "validation": share(predict(model, inputs) == labels)}
    row |= {key: value for key, value in scores(model, experiment.kind).items() if key != "confusion"}
    row |= {"cpu_seconds": round(seconds), "curve": curve}
    return Trained(model, row)


def scores(model: nn.Module, kind: str) -> dict:
    """Accuracies and confusion on the test set."""
    return (digit_scores if kind == "digits" else motion_scores)(model, *held_out_examples(kind))


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
        "seed": row["seed"],
        "validation": row["validation"],
        **scores(model, experiment.kind),
        "attention": attention_facts(model, experiment.kind),
        "runs": [run.row for run in runs],
    }
    if experiment.kind != "digits":
        result["probes"] = motion_probes(model, inputs, labels)
    return model, result
