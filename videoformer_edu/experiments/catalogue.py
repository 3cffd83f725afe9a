"""What is trained, on which pictures or clips, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from videoformer_edu.data.images import digit_images
from videoformer_edu.data.motion import TEST_SEED, batch_seed, motion_batch, normalise
from videoformer_edu.experiments.fit import Recipe

VALIDATION_SEED = 54321  # settings are chosen on these examples, drawn from the training material
HELD_OUT = 1024  # examples in the validation set and in the test set


@dataclass(frozen=True)
class Experiment:
    """One row of the results: `model` (a name that `build_small` knows) trained on `kind` by `recipe`.

    kind: "digits" (pictures) or a task of `data.motion` (clips). Each of the `seeds` is one run, the spread
    of which is reported; where `ships` is true, the first one's weights become `{name}.safetensors`.
    """

    name: str
    model: str
    kind: str
    recipe: Recipe
    seeds: tuple[int, ...] = (0,)
    ships: bool = True
    before: tuple[tuple[str, Recipe], ...] = ()  # easier stages (kind, recipe), trained first
    start: Callable[[nn.Module], None] | None = None  # changes the fresh weights in place
    note: str = ""  # one or two sentences for the reader of the results


@torch.no_grad()
def sharpen(model: nn.Module) -> None:
    """Double the queries, the keys and the time table of a fresh joint model.

    Each query has 129 keys to choose from, and with PyTorch's start the softmax over them is almost even: what it
    passes on says little about any one frame. Divided attention has 8 or 17 keys and does not need this.
    """
    model.time_positions.table *= 2
    for block in model.blocks:
        width = block.attention.proj.in_features
        block.attention.qkv.weight[: 2 * width] *= 2


THREE = (0, 1, 2)
EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        Experiment("vit_digits", "vit_digits", "digits", Recipe(steps=5000, batch=32)),
        Experiment("timesformer_motion_divided", "timesformer_motion_divided", "motion", Recipe()),
        Experiment("timesformer_motion_space_only", "timesformer_motion_space_only", "motion", Recipe()),
        Experiment("timesformer_motion_bag", "timesformer_motion_bag", "motion", Recipe(steps=3200)),
        Experiment("timesformer_motion_joint_1600", "timesformer_motion_joint", "motion", Recipe(), ships=False),
        Experiment("timesformer_motion_joint_6000", "timesformer_motion_joint", "motion", Recipe(steps=6000),
                   ships=False),
        Experiment("timesformer_motion_joint", "timesformer_motion_joint", "motion", Recipe(steps=4000),
                   before=(("motion8", Recipe(steps=300)),), start=sharpen),
    )
}


def draw(kind: str, count: int, *, seed: int, split: str) -> tuple[Tensor, Tensor]:
    """Labelled model inputs: `(count, 3, h, w)` or `(count, 3, t, h, w)`, normalised, and labels `(count,)`."""
    if kind == "digits":
        images = digit_images(count, seed=seed, split=split)
        return normalise(images.images), images.digit
    clips = motion_batch(count, seed=seed, split=split, task=kind)
    return normalise(clips.clips), clips.direction


def training_batches(kind: str, recipe: Recipe, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """A fresh batch for each step: no example ever comes twice."""
    for step in range(recipe.steps):
        yield draw(kind, recipe.batch, seed=batch_seed(seed, step), split="train")


def validation_examples(kind: str) -> tuple[Tensor, Tensor]:
    """Fresh examples of the training digits and photographs; choices are made on these."""
    return draw(kind, HELD_OUT, seed=VALIDATION_SEED, split="train")


def held_out_examples(kind: str) -> tuple[Tensor, Tensor]:
    """Digits and photographs never trained on; looked at when everything has been chosen."""
    return draw(kind, HELD_OUT, seed=TEST_SEED, split="test")
