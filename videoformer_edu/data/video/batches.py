"""The batches of a training run over a data set of videos, each a function of the seed and its step alone.

    source = lambda start: batches(dataset, batch=16, seed=0, start=start, workers=2)

So a run that is resumed at step k sees what the uninterrupted one saw from step k on, bit by bit and without decoding
what was seen before; it does not matter how many workers decode, nor how many processes share a batch (`part`).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from videoformer_edu.data.arguments import check_count
from videoformer_edu.data.video.datasets import BrokenVideo, Videos, item_generator
from videoformer_edu.data.video.folders import DatasetError, some

__all__ = ["BrokenVideosWarning", "TooManyBroken", "batches", "steps_per_epoch"]


class TooManyBroken(DatasetError):
    """More of the videos are broken than `max_broken` allows."""


class BrokenVideosWarning(UserWarning):
    """Said at the end of an epoch in which videos were skipped. Python shows it again only when it has changed."""


@lru_cache(maxsize=2)
def epoch_order(items: int, seed: int, epoch: int, shuffle: bool) -> list[int]:
    """The order of the items in one epoch: a permutation that depends on (seed, epoch) alone."""
    if not shuffle:
        return list(range(items))
    state = np.random.SeedSequence(seed, spawn_key=(epoch,)).generate_state(1, np.uint64)
    return torch.randperm(items, generator=torch.Generator().manual_seed(int(state[0]))).tolist()


def steps_per_epoch(items: int, batch: int, drop_last: bool = True) -> int:
    """How many batches one pass over the items has."""
    return items // batch if drop_last else -(-items // batch)


@dataclass(frozen=True)
class _Steps(Dataset):
    """Item `step` is this part of the batch of that step: (clips, labels, {index: why it is broken})."""

    videos: Videos
    batch: int
    seed: int
    shuffle: bool
    drop_last: bool
    part: tuple[int, int]

    def __getitem__(self, step: int) -> tuple[Tensor | None, Tensor | None, dict[int, str]]:
        items = len(self.videos)
        epoch, within = divmod(step, steps_per_epoch(items, self.batch, self.drop_last))
        order = epoch_order(items, self.seed, epoch, self.shuffle)
        broken: dict[int, str] = {}
        rows = []
        rank, size = self.part
        for place in range(within * self.batch + rank, min((within + 1) * self.batch, items), size):
            # A fixed batch size needs a stand-in for a broken video: the next good one in the order of the epoch.
            # The place alone decides which, in a part as in the whole; `broken` only spares a second try.
            reach = items if self.drop_last else 1
            for index in (order[(place + ahead) % items] for ahead in range(reach)):
                if index in broken:
                    continue
                try:
                    rows.append(self.videos.draw(index, item_generator(self.seed, epoch, index)))
                    break
                except BrokenVideo as error:
                    broken[index] = str(error)
                    if self.videos.on_broken == "raise":
                        return None, None, broken
        if not rows:
            return None, None, broken
        clips, labels = zip(*rows, strict=True)
        return torch.stack(clips), torch.tensor(labels), broken  # (b, c, t, h, w), (b,)


def _as_it_is(batch):
    return batch


def batches(dataset: Videos, *, batch: int, seed: int, start: int = 0, workers: int = 0, epochs: int | None = None,
            shuffle: bool = True, drop_last: bool = True, part: tuple[int, int] = (0, 1), pin_memory: bool = False,
            context: str | None = None) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of steps `start`, `start + 1`, ...: clips `(b, c, t, h, w)` float and labels `(b,)` int64.

    Without end for `epochs=None`, else up to the end of that many epochs, counted from step 0. The order is a new
    permutation in each epoch (`shuffle=False`: the order of the data set). `workers` processes decode ahead, one
    thread each (0: this process decodes, when asked); `context` is how they start ("fork", "spawn", "forkserver";
    None: as Python does here). `pin_memory` speeds up the copy to a GPU. No global random state is touched.

    part = (rank, size): of each batch the rows rank, rank + size, ... alone, for one of `size` processes that share it.
    They are the rows of the whole batch, bit by bit, and the others are not decoded.

    A file that cannot be read raises BrokenVideo, with its index, its name and the reason. With
    `on_broken="skip"` (see `Videos`) it is entered in `dataset.broken`, told at the end of the epoch by a
    BrokenVideosWarning, and replaced by the next good video of the epoch, the same one in any run; with
    `drop_last=False`, where batches need not have equal sizes, it is left out, so that an evaluation counts no
    video twice. More than `max_broken` of all files raise TooManyBroken. Of several processes each counts the broken
    files that it met itself.
    Raises ValueError for bad arguments (a part needs `drop_last`, so that none is left without a row), and DatasetError
    when the data set has less than one batch, or, to train on (`shuffle`), a single class.
    """
    check_count("batch", batch)
    check_count("seed", seed, least=0)
    check_count("start", start, least=0)
    check_count("workers", workers, least=0)
    if epochs is not None:
        check_count("epochs", epochs)
    rank, size = part
    if not 0 <= rank < size <= batch:
        raise ValueError(f"part is {part!r}; expected (rank, size) with 0 <= rank < size <= {batch}, the batch")
    if size > 1 and not drop_last:
        raise ValueError("a part of batches that may be short can be empty; divide the videos instead: "
                         f"dataset.subset(range({rank}, len(dataset), {size}))")
    per_epoch = steps_per_epoch(len(dataset), batch, drop_last)
    if per_epoch == 0:
        raise DatasetError(f"the data set has {len(dataset)} videos, less than one batch of {batch}; ask for a smaller "
                           "batch, or pass drop_last=False")
    if shuffle and len(set(dataset.labels)) < 2:
        raise DatasetError(f"all {len(dataset)} videos are of one class ({dataset.classes[dataset.labels[0]]}): there "
                           "is nothing to tell apart, and the loss would go to 0; expected two classes at least")
    end = sys.maxsize if epochs is None else max(start, epochs * per_epoch)
    # Of the videos themselves the workers get a copy. The loader's own generator keeps it from drawing a number from
    # the global one, which would make a resumed run differ.
    loader = DataLoader(_Steps(dataset, batch, seed, shuffle, drop_last, part), sampler=range(start, end),
                        batch_size=None, num_workers=workers, collate_fn=_as_it_is, generator=torch.Generator(),
                        pin_memory=pin_memory, multiprocessing_context=context if workers else None)
    return _watched(dataset, loader, start, per_epoch)


def _watched(dataset: Videos, loader: DataLoader, start: int, per_epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pass the batches on and keep the books of the broken videos, in this process, whoever found them."""
    for step, (clips, labels, broken) in enumerate(loader, start):
        for index, reason in broken.items():
            if dataset.on_broken == "raise":
                raise BrokenVideo(f'{reason}. Mend or remove the file, or go on without it: on_broken="skip", or '
                                  "--skip-broken on the command line")
            dataset.broken[str(dataset.paths[index])] = reason
        if len(dataset.broken) > dataset.max_broken * len(dataset):
            raise TooManyBroken(f"{summary(dataset)}, more than max_broken = {dataset.max_broken:g}; "
                                "is the data set complete? Otherwise raise max_broken, or say --skip-broken SHARE")
        if dataset.broken and (step + 1) % per_epoch == 0:
            warnings.warn(f"{summary(dataset)}; they were skipped", BrokenVideosWarning, stacklevel=2)
        if labels is not None:
            yield clips, labels


def summary(dataset: Videos) -> str:
    return (f"{len(dataset.broken)} of {len(dataset)} videos are broken "
            f"({len(dataset.broken) / len(dataset):.1%}): {some(dataset.broken.values(), 5)}")
