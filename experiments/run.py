"""One run: an experiment and a seed, from fresh weights to a trained model and its numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from experiments.attention_on_digit import attention_facts
from experiments.evaluate import accuracies, motion_probes
from experiments.experiment import Experiment, Material
from experiments.material import VALIDATION_SEED, report_examples, source, validation_examples
from experiments.starting import first_model
from experiments.store import floats
from videoformer_edu.cost import count_macs, count_parameters
from videoformer_edu.cost.counted import Reconstruction
from videoformer_edu.models import TimeSformer, ViT, ViViT, tube_mask
from videoformer_edu.training.evaluate import evaluating, predict, share
from videoformer_edu.training.history import History
from videoformer_edu.training.loop import fit
from videoformer_edu.training.step import Run

POINTS, LEAST = 20, 25  # of a learning curve, and the least steps from one to the next
LEVELS = (0.5, 0.8, 0.9, 0.95)  # of validation accuracy: how soon was each one reached?
LOOK = 512  # validation examples for a point of the curve


class Stopwatch:
    """Seconds since its making, without those inside `stopped()`: processor time of this process, or, where a GPU does
    the work, time on the wall. The waits of a shared processor do not count then, and looking never does."""

    def __init__(self, device: torch.device):
        self.device, self.aside = device, 0.0
        self.start = self.now()

    def now(self) -> float:
        if self.device.type == "cpu":
            return time.process_time()
        torch.cuda.synchronize(self.device)  # a GPU has not finished what it was merely told to do
        return time.perf_counter()

    @contextmanager
    def stopped(self):
        start = self.now()
        yield
        self.aside += self.now() - start

    @property
    def seconds(self) -> float:
        return self.now() - self.start - self.aside


def train(experiment: Experiment, seed: int, state: dict[str, Tensor] | None = None, *, device: str = "cpu",
          workers: int = 0, log: Callable[[str], None] = print) -> tuple[nn.Module, dict]:
    """One run; `state` are the weights that it starts from. -> the model, its weights rounded to float16 as they are
    stored, and what was measured: all that a row of the results is made of.

    Accuracies on the report's set are measured and not logged: who is still choosing looks at validation alone.
    """
    material, recipe = experiment.material, replace(experiment.recipe, seed=seed)
    model, after_step = first_model(experiment, seed, state)
    examples = tuple(part[:LOOK] for part in validation_examples(material))
    loss = painting_loss(material.hidden) if material.hidden else None
    every = max(LEAST, recipe.steps // POINTS)
    watch = Stopwatch(torch.device(device))

    def look(model: nn.Module) -> dict:
        with watch.stopped():
            return {"validation": validate(model, material, *examples)}

    def report(run: Run) -> None:
        for do in after_step:
            do(run)
        row = run.history.rows[-1]
        if "validation" in row:
            value = f"{row['validation']:.4f}" if material.hidden else f"{row['validation']:6.1%}"
            log(f"{experiment.name}  seed {seed}  step {row['step']:5d} / {recipe.steps}  "
                f"loss {mean_since(run.history.losses, every):.3f}  validation {value}  {watch.seconds:.0f} s")

    history = fit(model, source(material, recipe, seed, workers), recipe, device=device, loss=loss, evaluate=look,
                  evaluate_every=every, after_step=report)
    seconds = watch.seconds
    model.load_state_dict({key: floats(value.half(), torch.float32) if value.is_floating_point() else value
                           for key, value in model.state_dict().items()})
    return model.eval(), {
        "seed": seed, "seconds": round(seconds, 2), "clock": "processor" if device == "cpu" else "wall",
        "curve": (points := curve(history, every)), "steps_to": steps_to(points, material),
        "parameters": count_parameters(model), **measure(model, material), **elsewhere(model, experiment.also)}


def measure(model: nn.Module, material: Material) -> dict:
    """What is reported of a trained model."""
    inputs, labels = report_examples(material)
    checked = {"validation": validate(model, material, *validation_examples(material))}
    if material.hidden:
        macs = count_macs(Reconstruction(model, material.hidden), *inputs[:1].shape)
        return {**checked, "macs": macs, "painting_loss": validate(model, material, inputs, labels)}
    numbers = {**checked, "macs": count_macs(model, *inputs[:1].shape), **accuracies(model, material, inputs, labels)}
    plain = replace(material, size=Material.size)  # whole clips, fresh ones; how large their frames are is no matter
    if plain == Material():
        numbers["probes"] = motion_probes(model, inputs, labels)
    if isinstance(model, ViT | TimeSformer | ViViT) and plain in (Material(), Material("digits")):
        numbers["attention"] = attention_facts(model.cpu(), material.task, size=material.size)
    return numbers


def elsewhere(model: nn.Module, materials: Iterable[Material]) -> dict:
    """Accuracy on other clips: `{"elsewhere": [[frames, speed, accuracy], ...]}`, or nothing where there are none."""
    found = []
    for material in materials:
        inputs, labels = report_examples(material)
        found.append([material.frames, material.speed, share(predict(model, inputs) == labels)])
    return {"elsewhere": found} if found else {}


def validate(model: nn.Module, material: Material, inputs: Tensor, labels: Tensor) -> float:
    """The share of right answers; for painting, the mean loss."""
    if not material.hidden:
        return share(predict(model, inputs) == labels)
    generator, loss = torch.Generator().manual_seed(VALIDATION_SEED), painting_loss(material.hidden)
    with evaluating(model) as device:
        parts = [loss(model, part.to(device), labels, generator).item() for part in inputs.split(128)]
    return round(sum(parts) / len(parts), 4)


def painting_loss(hidden: float) -> Callable[..., Tensor]:
    """VideoMAE's loss on fresh tubes for each clip; the labels are not looked at."""
    def loss(model: nn.Module, video: Tensor, labels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        mask = tube_mask(model.encoder.grid, hidden, batch=len(video), generator=generator)
        return model.loss(video, mask.to(video.device))

    return loss


def curve(history: History, every: int) -> list[list[float]]:
    """`[step, mean loss since the last point, validation]`, point by point."""
    steps, values = history.column("validation")
    return [[step, round(mean_since(history.losses[:step], every), 4), value]
            for step, value in zip(steps, values, strict=True)]


def mean_since(losses: list[float], every: int) -> float:
    """The mean of the losses since the point before the last."""
    since = losses[(len(losses) - 1) // every * every:]
    return sum(since) / len(since)


def steps_to(points: list[list[float]], material: Material) -> dict[str, int | None]:
    """For each of the `LEVELS`: the first step of the curve that reached it; None if none did."""
    if material.hidden:
        return {}
    return {str(level): next((step for step, _, right in points if right >= level), None) for level in LEVELS}
