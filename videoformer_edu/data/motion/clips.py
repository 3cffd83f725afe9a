"""Generated clips: a handwritten digit moves over a photograph, and the label is the direction of the motion.

No single frame says anything about the label, and no unordered set of frames says more than the axis. The rest
can only be learned from the order of the frames. `trajectories.py` has the reasons, `rendering.py` the pixels.

    batch = motion_batch(16, seed=0)
    logits = model(normalise(batch.clips, MOTION_PIXELS))     # (b, 3, t, h, w) -> (b, 8); `data.pixels`
    loss = F.cross_entropy(logits, batch.direction)
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from videoformer_edu.data.arguments import check_count, check_split, random_generator
from videoformer_edu.data.motion.rendering import render
from videoformer_edu.data.motion.trajectories import DIRECTIONS, TASKS

__all__ = ["DIRECTIONS", "TASKS", "MotionBatch", "MotionClips", "axis", "batch_seed", "motion_batch"]
__all__ += ["motion_test_set", "sign"]

TEST_SEED = 12345
CHUNK = 64  # clips drawn at a time: the working set stays in the processor's cache


class MotionBatch(NamedTuple):
    """Clips and all that is known about them.

    clips uint8 `(b, 3, t, h, w)`; direction `(b,)`, an index into `TASKS[task].classes`; digit `(b,)`, from
    0 to 9; position `(b, t, 2)`, the (x, y) of the sprite's centre in pixels, y downwards.
    """

    clips: Tensor
    direction: Tensor
    digit: Tensor
    position: Tensor


def axis(direction: Tensor) -> Tensor:
    """The line of the motion: 0 E-W, 1 S-N, 2 SE-NW, 3 SW-NE. An unordered set of frames can say no more."""
    return direction // 2


def sign(direction: Tensor) -> Tensor:
    """Which way along its axis, 0 or 1. `direction ^ 1` is the opposite direction: the clip played backwards."""
    return direction % 2


def motion_batch(
    batch: int,
    *,
    generator: torch.Generator | None = None,
    seed: int | None = None,
    split: str = "train",
    frames: int = 8,
    size: int = 32,
    task: str = "motion",
    speed: float = 1.0,
) -> MotionBatch:
    """Draw `batch` fresh clips of `frames` frames, `size` pixels wide and high.

    All lengths scale with `size / 32`, and speeds also with `8 / frames`, so that a clip shows the same scene
    at any size and length; `speed` multiplies them (16 frames at speed 2 go on for twice as long as 8 at speed 1, frame
    by frame as fast). `task` is "motion" (8 directions), "motion4" (4), or one of the two leaky ones,
    "motion8" and "order6". The same seed and arguments give the same clips; another batch size gives others.
    Raises ValueError for an unknown task or split, a count below 1, a size below 8, or no source of chance.
    """
    check_count("batch", batch)
    check_count("frames", frames)
    check_count("size", size, least=8)
    check_split(split)
    if not speed > 0:
        raise ValueError(f"speed is {speed}; expected a number above 0")
    if task not in TASKS:
        raise ValueError(f"task is {task!r}; expected one of {', '.join(map(repr, TASKS))}")
    generator = random_generator(generator, seed)

    label, position, width = TASKS[task].trajectory(batch, frames, size, generator, speed)
    drawn = [
        render(*part, split=split, size=size, torus=TASKS[task].torus, generator=generator)
        for part in zip(position.split(CHUNK), width.split(CHUNK), strict=True)
    ]
    clips, digit = (torch.cat(parts) for parts in zip(*drawn, strict=True))
    return MotionBatch(clips, label, digit, position)


def motion_test_set(batch: int = 1024, *, frames: int = 8, size: int = 32, task: str = "motion") -> MotionBatch:
    """The clips on which accuracy is reported: always the same, digits and photographs unseen in training."""
    return motion_batch(batch, seed=TEST_SEED, split="test", frames=frames, size=size, task=task)


def batch_seed(run_seed: int, step: int) -> int:
    """The seed of the batch of one training step; no two steps of a run share one."""
    return run_seed * 1000003 + 7 + step


class MotionClips(IterableDataset):
    """A training run's batches: one fresh `MotionBatch` per step, no clip ever twice.

    Each item is a whole batch: iterate over it directly, or with `DataLoader(MotionClips(...), batch_size=None)`.
    Batch `step` depends on `seed` and `step` alone: a run that stops can go on with
    `start=step`, and workers of a DataLoader share the steps without changing the order.
    """

    def __init__(
        self,
        *,
        steps: int,
        batch: int = 16,
        seed: int = 0,
        start: int = 0,
        split: str = "train",
        frames: int = 8,
        size: int = 32,
        task: str = "motion",
    ):
        check_count("steps", steps)
        check_count("start", start, least=0)
        self.steps, self.start, self.seed = steps, start, seed
        self.options = dict(split=split, frames=frames, size=size, task=task)
        self.batch = batch

    def __len__(self) -> int:
        return max(self.steps - self.start, 0)

    def __iter__(self) -> Iterator[MotionBatch]:
        worker = get_worker_info()
        first, stride = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for step in range(self.start + first, self.steps, stride):
            yield motion_batch(self.batch, seed=batch_seed(self.seed, step), **self.options)
