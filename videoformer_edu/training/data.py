"""What a name on the command line stands for: the batches to train on, and what is kept for evaluation.

    data = find_data("motion", recipe, frames=8, size=32)
    fit(model, data.source, recipe)                     # source(start): the batches of steps start, start + 1, ...

The batch of a step depends on the seed and the step alone, so a run that was stopped can go on, and several processes
agree on it. Of videos each process decodes its local rows only (`Rows`). Generated clips are drawn from one generator
and cost little: every process draws the whole batch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from videoformer_edu.data import motion
from videoformer_edu.data.augment import Augment
from videoformer_edu.data.mirroring import mirrored_names
from videoformer_edu.data.pixels import MOTION_PIXELS, Pixels, normalise
from videoformer_edu.data.video.batches import batches, steps_per_epoch
from videoformer_edu.data.video.datasets import DatasetError, VideoFolder, VideoList, Videos, digest
from videoformer_edu.data.video.splits import split, split_by_class
from videoformer_edu.data.video.ucf101 import ucf101_subset
from videoformer_edu.training.distributed import Rows
from videoformer_edu.training.recipe import Recipe
from videoformer_edu.training.step import Batch

EPOCH = 6400  # generated clips: drawn as they are needed, so that an epoch is a way of counting them
HELD_OUT = 1024
SUBSET = "ucf101-subset"


@dataclass(frozen=True)
class TrainingData:
    """Clips with labels, of them `clips` in an epoch of `epoch` steps.

    source(start): the batches of steps start, start + 1, ..., as `loop.fit` takes them. held_out(rank, size, at_once):
    the rows rank, rank + size, ... of what is kept for evaluation, `at_once` in a batch. digest: of the paths and
    labels to train on; empty for generated clips, which the name and the seed determine. passed_over: files that are
    no videos of a class. broken: path -> reason of the videos skipped so far, by this process. pixels: how the clips
    are normalised.
    """

    name: str
    classes: tuple[str, ...]
    clips: int
    epoch: int
    source: Callable[[int], Iterable[Batch]]
    held_out: Callable[[int, int, int], Iterable[tuple[Tensor, Tensor]]]
    held_out_clips: int
    pixels: Pixels
    digest: str = ""
    passed_over: str = ""
    broken: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        passed_over = f"; passed over: {self.passed_over}" if self.passed_over else ""
        return (f"{self.name}: {len(self.classes)} classes, {self.clips} clips and {self.epoch} steps an epoch, "
                f"{self.held_out_clips} clips held out{passed_over}")


def find_data(name: str, recipe: Recipe, *, frames: int, size: int, pixels: Pixels | None = None,
              held_out: str | Path | None = None, workers: int = 0, least_area: float = 0.35,
              flip: float = 0.0, skip_broken: float | None = None, part: tuple[int, int] = (0, 1),
              pin_memory: bool = False) -> TrainingData:
    """What `name` stands for, in batches of `recipe.batch`; clips of `frames` frames, `size` pixels high and wide.

    name: a task of `data.motion`, "ucf101-subset" (downloaded to data/ the first time), a folder of class folders
    or of splits, or a list (.csv, .txt). held_out: the folder or list to evaluate on; otherwise the folder's own
    val/ or test/, or a fifth of the clips, kept apart by recording.
    pixels: mean and std that the model expects, needed for videos; generated clips have their own.
    least_area, flip: videos are cropped at random, to this share of the frame at least (1 cuts the middle square),
    and mirrored with this probability, where "left" in the name of a class becomes "right".
    skip_broken: the share of the videos that may be broken and are then passed over; None stops at the first one.
    part: (rank, size) of the process that trains, which decodes only its rows of each batch.
    Raises ValueError (DatasetError) for what is not there or has no mirror image, DownloadError.
    """
    if name in motion.TASKS:
        return _generated(name, recipe, frames, size, workers)
    videos = dict(frames=frames, size=size, pixels=pixels)
    if skip_broken is not None:
        videos |= dict(on_broken="skip", max_broken=skip_broken)
    train, kept = _videos(name, held_out, {**videos, "sampling": "segments", "transform": None})
    _check(train, kept, recipe.batch)
    if least_area < 1 or flip:
        mirrored = mirrored_names(train.classes) if flip else None
        train = train.replace(transform=Augment(size=size, area=(least_area, 1.0), flip=flip, mirrored=mirrored))

    def source(start: int) -> Iterator[Rows]:
        rows = batches(train, batch=recipe.batch, seed=recipe.seed, start=start, workers=workers, part=part,
                       pin_memory=pin_memory)
        return (Rows(clips, labels, recipe.batch) for clips, labels in rows)

    def evaluated(rank: int, size: int, at_once: int) -> Iterator[tuple[Tensor, Tensor]]:
        mine = kept.subset(range(rank, len(kept), size))
        return batches(mine, batch=min(at_once, len(mine)), seed=0, epochs=1, shuffle=False, drop_last=False,
                       workers=workers, pin_memory=pin_memory)

    return TrainingData(name, tuple(train.classes), len(train), steps_per_epoch(len(train), recipe.batch), source,
                        evaluated, len(kept), pixels, digest(train), train.passed_over, train.broken)


def _generated(task: str, recipe: Recipe, frames: int, size: int, workers: int) -> TrainingData:
    def source(start: int) -> Iterator[tuple[Tensor, Tensor]]:
        clips = motion.MotionClips(steps=sys.maxsize, start=start, batch=recipe.batch, seed=recipe.seed, task=task,
                                   frames=frames, size=size)
        # The loader's own generator keeps it from drawing a number from the global one, which would make runs differ.
        loader = clips if workers == 0 else DataLoader(clips, batch_size=None, num_workers=workers,
                                                       generator=torch.Generator())
        return ((normalise(batch.clips, MOTION_PIXELS), batch.direction) for batch in loader)

    def held_out(rank: int, parts: int, at_once: int) -> Iterator[tuple[Tensor, Tensor]]:
        test = motion.motion_test_set(HELD_OUT, frames=frames, size=size, task=task)
        clips, labels = test.clips[rank::parts], test.direction[rank::parts]
        pairs = zip(clips.split(at_once), labels.split(at_once), strict=True)
        return ((normalise(x, MOTION_PIXELS), y) for x, y in pairs)

    return TrainingData(task, tuple(motion.TASKS[task].classes), EPOCH, -(-EPOCH // recipe.batch), source, held_out,
                        HELD_OUT, MOTION_PIXELS)


def _videos(name: str, held_out: str | Path | None, settings: dict) -> tuple[Videos, Videos]:
    """The training videos, and those to evaluate on."""
    path = Path(name)
    if name == SUBSET:
        path = ucf101_subset()
    elif not path.exists():
        raise DatasetError(f"there is no data {name!r}: neither a folder nor a list of that name, nor one of "
                           f"{', '.join([*motion.TASKS, SUBSET])}")
    plain = {**settings, "sampling": "uniform"}
    if held_out is not None:
        train = VideoList(path, **settings) if path.is_file() else VideoFolder(path, **settings)
        other = VideoList if Path(held_out).is_file() else VideoFolder
        return train, other(held_out, classes=train.classes, **plain)
    if path.is_file():
        train, kept = split_by_class(VideoList(path, **settings))
        return train, kept.replace(sampling="uniform")
    sets = split(path, **settings)
    return sets["train"], sets[next(name for name in sets if name != "train")]


def _check(train: Videos, kept: Videos, batch: int) -> None:
    """Raise ValueError for videos from which nothing can be learnt, or whose evaluation would mean nothing."""
    if len(train) < batch:
        raise ValueError(f"there are {len(train)} videos to train on, fewer than one batch of {batch}; ask for a "
                         "smaller --batch")
    both = {os.path.realpath(path) for path in train.paths} & {os.path.realpath(path) for path in kept.paths}
    if both:
        raise ValueError(f"{len(both)} of the {len(kept)} videos held out are among those to train on, such as "
                         f"{min(both)}; an evaluation on them would mean nothing: give --held-out other ones")
