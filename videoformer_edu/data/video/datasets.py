"""Data sets of real videos: a folder of class folders, or a list in a text file.

    dataset = VideoFolder("clips/train", frames=8, size=112, sampling="segments", pixels=builder("vivit_base").pixels)
    clip, label = dataset[0]                                  # (c, t, h, w) float, int

`batches.py` turns one into the batches of a training run, `splits.py` divides one into training and test, and
`broken.py` finds broken files before training.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from videoformer_edu.data.arguments import check_count
from videoformer_edu.data.pixels import Pixels, normalise
from videoformer_edu.data.video.clips import read_frames, sample_indices, to_model_input
from videoformer_edu.data.video.decoding import ClipError, MissingDecoder
from videoformer_edu.data.video.folders import DatasetError, find_videos, passed_over
from videoformer_edu.data.video.lists import read_list

__all__ = ["BrokenVideo", "DatasetError", "VideoFolder", "VideoList", "Videos", "digest", "item_generator"]

Transform = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]


class BrokenVideo(ClipError):
    """A video of a data set cannot be read. The message names its index, its file and the reason."""


def item_generator(seed: int, epoch: int, index: int) -> torch.Generator:
    """The chance of one item in one epoch. It depends on these three alone: not on the order, the worker, the past."""
    state = np.random.SeedSequence(seed, spawn_key=(epoch, index)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


class Videos(Dataset):
    """Videos with labels: item `i` is (clip, label), float `(c, t, h, w)` with t = `frames`, h = w = `size`, and int.

    paths, labels, classes: one path and one number per video; label k is the class of name `classes[k]`.
    pixels: how the model expects them, mean and std; needed to read items, and there is none that fits all models.
    sampling, stride: which frames, "uniform" for evaluation, "segments" for training, ... (`clips.sample_indices`).
    transform: None cuts the middle square, scales and normalises it (`clips.read_clip`). A function such as
        `transforms.Augment(area=(0.3, 1.0), size=224)` is called with whole frames, uint8 `(1, c, t, h, w)`, labels
        `(1,)` and a generator, and returns floats in 0 ... 1, of the right size, and labels; they are then normalised.
        It must draw from this generator alone: only then is an epoch the same whoever decodes it.
    on_broken: "raise" stops at a file that cannot be read, naming it; "skip" goes on without it, see `batches`.
    max_broken: the share of broken files above which "skip" stops, too.

    `broken` holds what was skipped, path -> reason. Raises ValueError for bad arguments, DatasetError for bad names.
    """

    passed_over = ""  # of a folder, what is no video of a class: "3 .txt, 1 hidden"

    def __init__(self, paths: Sequence[Path], labels: Sequence[int], classes: Sequence[str], *,
                 pixels: Pixels | None = None, frames: int = 8, size: int = 224, sampling: str = "uniform",
                 stride: int = 1, transform: Transform | None = None,
                 on_broken: str = "raise", max_broken: float = 0.05):
        self.paths, self.labels, self.classes = list(paths), list(labels), list(classes)
        self.class_to_index = {name: number for number, name in enumerate(self.classes)}
        self.pixels, self.frames, self.size, self.sampling, self.stride = pixels, frames, size, sampling, stride
        self.transform, self.on_broken, self.max_broken = transform, on_broken, max_broken
        self.broken: dict[str, str] = {}
        self._check()

    def _check(self) -> None:
        check_count("frames", self.frames)
        check_count("size", self.size)
        check_count("stride", self.stride)
        self.choose_frames(self.frames * self.stride, torch.Generator())
        if self.on_broken not in ("raise", "skip"):
            raise ValueError(f'on_broken is {self.on_broken!r}; expected "raise" or "skip"')
        if not 0 <= self.max_broken < 1:
            raise ValueError(f"max_broken is {self.max_broken!r}; expected a share of the files from 0 to below 1")

    def choose_frames(self, total: int, generator: torch.Generator) -> list[int]:
        return sample_indices(total, self.frames, sampling=self.sampling, stride=self.stride, generator=generator)

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        return (f"{type(self).__name__}: {len(self)} videos of {len(self.classes)} classes, "
                f"{self.frames} frames of {self.size} x {self.size}")

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Item `index` as it is with seed 0 in epoch 0; the same each time."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} of a data set of {len(self)} videos")
        return self.draw(index % len(self), item_generator(0, 0, index % len(self)))

    def draw(self, index: int, generator: torch.Generator) -> tuple[Tensor, int]:
        """Item `index`, with everything random about it drawn from `generator`. Raises BrokenVideo."""
        if self.pixels is None:
            raise ValueError("pixels is missing: which mean and std does the model expect? models.registry knows those "
                             "of each builder: pixels=builder(name).pixels")
        plain = self.transform is None
        try:
            raw = read_frames(self.paths[index], frames=self.frames, size=self.size if plain else None,
                              sampling=self.sampling, stride=self.stride, generator=generator)  # (t, h, w, c)
        except MissingDecoder:
            raise  # not the fault of the file
        except (ClipError, OSError, MemoryError) as error:
            raise BrokenVideo(f"video {index} cannot be read: {explain(self.paths[index], error)}") from error
        if plain:
            return to_model_input(raw, self.pixels), self.labels[index]
        clips, labels = raw.permute(3, 0, 1, 2)[None], torch.tensor([self.labels[index]])  # (1, c, t, h, w), (1,)
        expected = (1, clips.shape[1], self.frames, self.size, self.size)
        clips, labels = self.transform(clips, labels, generator)
        if tuple(clips.shape) != expected or not clips.is_floating_point():
            raise ValueError(f"transform made {clips.dtype} {tuple(clips.shape)} of {self.paths[index]}; expected "
                             f"float {expected}: let it crop to size={self.size}, the size of the data set")
        return normalise(clips[0], self.pixels), int(labels)

    def subset(self, indices: Sequence[int]) -> Videos:
        """The videos at `indices`, in that order, with the same classes and settings."""
        part = copy.copy(self)
        part.paths, part.labels = [self.paths[i] for i in indices], [self.labels[i] for i in indices]
        part.broken = {}
        return part

    def replace(self, **settings) -> Videos:
        """The same videos with other settings: `test = train.replace(sampling="uniform", transform=None)`."""
        names = ("pixels", "frames", "size", "sampling", "stride", "transform", "on_broken", "max_broken")
        unknown = sorted(set(settings) - set(names))
        if unknown:
            raise TypeError(f"no setting of a data set: {', '.join(unknown)}; there are {', '.join(names)}")
        other = self.subset(range(len(self)))
        vars(other).update(settings)
        other._check()
        return other


class VideoFolder(Videos):
    """The videos of `root/class_name/*`, sorted by class name and file name; the folders are the classes.

    Known kinds of files: `folders.EXTENSIONS`. Hidden files and other files are passed over; `passed_over` counts
    them in words. `classes` fixes names and numbers, for example those of the training set for a test set that lacks
    some. Settings as in `Videos`.
    """

    def __init__(self, root: str | os.PathLike, *, classes: Sequence[str] | None = None, **settings):
        super().__init__(*find_videos(root, classes), **settings)
        self.passed_over = passed_over(root)


class VideoList(Videos):
    """The videos that a text file lists, in its order: one path and one label per line.

    Accepted: CSV with a header that names the columns `path` and `label` (others are ignored); CSV without a header
    and with exactly these two columns; and "path label" split at the last space, as in the lists of Kinetics and
    Something-Something code. Commas, tabs or spaces are told apart by the first line, or named by `separator`.
    Empty lines and lines that begin with # are passed over. Labels are class names (numbered in sorted order) or whole
    numbers from 0; `classes` fixes the names, and should be those of the training list for a test list.
    Relative paths start from `root`, by default the folder of the list, and must stay inside it.
    """

    def __init__(self, file: str | os.PathLike, root: str | os.PathLike | None = None, *,
                 classes: Sequence[str] | None = None, separator: str | None = None, **settings):
        super().__init__(*read_list(file, root, classes, separator), **settings)


def digest(dataset: Videos) -> str:
    """SHA-256 of which videos a data set has, in which order and with which labels: 64 hexadecimal digits.

    Equal on two machines, or before and after a pause, means that item `i` is the same video of the same class. Paths
    count from the folder that holds them all, so a data set may lie elsewhere; what the files hold is not looked at.
    """
    paths = [os.path.abspath(path) for path in dataset.paths]
    root = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else ""
    names = [Path(os.path.relpath(path, root)).as_posix() for path in paths]
    return hashlib.sha256(json.dumps([dataset.classes, names, dataset.labels]).encode()).hexdigest()


def explain(path: Path, error: Exception) -> str:
    """The reason, with the file named once."""
    return str(error) if str(path) in str(error) else f"{path}: {error}"
