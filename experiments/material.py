"""From `Material` to batches: what is trained on, what choices are made on, and what is reported.

Three sets that never meet: training and validation clips are drawn from the same digits and photographs with other
seeds; the report's digits and photographs were never trained on, and its seed is looked at by no choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from experiments.experiment import Material
from videoformer_edu.data.augment import horizontal_flip
from videoformer_edu.data.mirroring import mirrored_directions
from videoformer_edu.data.motion import batch_seed, motion_batch
from videoformer_edu.data.motion.images import digit_images
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.training.recipe import Recipe

VALIDATION_SEED = 54321  # settings are chosen on these examples, drawn from the training material
REPORT_SEED = 20261122  # everything that is reported; the lessons' own test set has another seed
APART = 1_000_000_007  # between the seed of some clips and that of the choice of a frame in each
HELD_OUT = 1024  # examples in the validation set and in the report's
Batch = tuple[Tensor, Tensor]


def draw(material: Material, count: int, *, seed: int, split: str) -> Batch:
    """Labelled model inputs: `(count, 3, h, w)` or `(count, 3, t, h, w)`, normalised, and labels `(count,)`."""
    pixels, labels = drawn(material, count, seed=seed, split=split)
    return viewed(normalise(pixels, MOTION_PIXELS), material.view, seed), labels


def drawn(material: Material, count: int, *, seed: int, split: str) -> Batch:
    """The same before anything is done to it: uint8 pixels of whole clips."""
    if material.task == "digits":
        images = digit_images(count, seed=seed, split=split, size=material.size)
        return images.images, images.digit
    clips = motion_batch(count, seed=seed, split=split, frames=material.frames, size=material.size, task=material.task,
                         speed=material.speed)
    return clips.clips, clips.direction


def viewed(video: Tensor, view: str, seed: int) -> Tensor:
    """The part of the clips `(b, c, t, h, w)` that the model gets to see (`Material.view`)."""
    if view == "whole":
        return video
    if view == "first_frame":
        return video[:, :, :1]
    t = video.shape[2]
    # A chance of its own: from the clips' own seed the first numbers drawn would be the labels.
    chosen = torch.randint(t, (len(video),), generator=torch.Generator().manual_seed(seed + APART))
    return video * (torch.arange(t) == chosen[:, None])[:, None, :, None, None]  # 0 is a grey pixel


class Steps(Dataset):
    """The training batches of a run, by their step. Batch `step` depends on the seed and the step alone."""

    def __init__(self, material: Material, recipe: Recipe, seed: int):
        self.material, self.recipe, self.seed = material, recipe, seed
        self.pool = None if material.clips is None else clip_pool(material, material.clips, seed)

    def __len__(self) -> int:
        return self.recipe.steps

    def __getitem__(self, step: int) -> Batch:
        seed, batch = batch_seed(self.seed, step), self.recipe.batch
        if self.pool is None:
            video, labels = draw(self.material, batch, seed=seed, split="train")
        else:
            pixels, labels = self.pool
            chosen = pick(len(labels), step * batch, batch, self.seed)
            video, labels = viewed(normalise(pixels[chosen], MOTION_PIXELS), self.material.view, seed), labels[chosen]
        return flipped(video, labels, self.material, seed)


def flipped(video: Tensor, labels: Tensor, material: Material, seed: int) -> Batch:
    """Half of the clips mirrored, if the material says so, with the labels of what is seen or of what was."""
    if material.flip == "never":
        return video, labels
    mirrored = mirrored_directions(material.task) if material.flip == "labels_exchanged" else "unchanged"
    return horizontal_flip(video, labels, mirrored=mirrored, generator=torch.Generator().manual_seed(seed + 2 * APART))


def clip_pool(material: Material, count: int, seed: int, chunk: int = 50) -> Batch:
    """`count` clips to train on. A larger pool of the same seed begins with the clips of a smaller one."""
    parts = [drawn(material, chunk, seed=batch_seed(seed, i), split="train") for i in range(-(-count // chunk))]
    pixels, labels = (torch.cat(part)[:count] for part in zip(*parts, strict=True))
    return pixels, labels


def pick(count: int, first: int, batch: int, seed: int) -> Tensor:
    """The numbers `(batch,)` of the examples that a run sees as its `first`, first + 1, ...: each once in an epoch."""
    places = torch.arange(first, first + batch)
    epochs, within = places // count, places % count
    return torch.cat([shuffled(count, seed, epoch)[within[epochs == epoch]] for epoch in epochs.unique().tolist()])


@lru_cache(maxsize=4)
def shuffled(count: int, seed: int, epoch: int) -> Tensor:
    """The order of the examples in one epoch."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(batch_seed(seed, epoch)))


def source(material: Material, recipe: Recipe, seed: int, workers: int = 0) -> Callable[[int], Iterator[Batch]]:
    """`source(start)` yields the batches of steps start, start + 1, ...; `workers` processes draw them ahead."""
    steps = Steps(material, recipe, seed)

    def batches(start: int) -> Iterator[Batch]:
        todo = range(start, recipe.steps)
        if workers == 0:
            return map(steps.__getitem__, todo)
        return iter(DataLoader(steps, batch_size=None, sampler=todo, num_workers=workers,
                               pin_memory=torch.cuda.is_available()))

    return batches


def validation_examples(material: Material) -> Batch:
    """Fresh examples of the training digits and photographs; choices are made on these."""
    return _held(replace(material, clips=None, flip="never"), VALIDATION_SEED, "train")


def report_examples(material: Material) -> Batch:
    """Digits and photographs never trained on, from a seed that no choice has looked at."""
    return _held(replace(material, clips=None, flip="never"), REPORT_SEED, "test")


@lru_cache(maxsize=4)
def _held(material: Material, seed: int, split: str) -> Batch:
    return draw(material, HELD_OUT, seed=seed, split=split)
