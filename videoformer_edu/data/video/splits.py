"""Divide a data set of videos into training and test without letting the same scene into both.

The clips of one group of UCF101, `v_Archery_g03_c01.avi`, `v_Archery_g03_c02.avi`, ..., are cut from one recording: the
same person, the same place. A model that has seen one of them knows the others by their background.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from pathlib import Path

import torch

from videoformer_edu.data.arguments import check_count
from videoformer_edu.data.video.datasets import DatasetError, VideoFolder, Videos
from videoformer_edu.data.video.folders import SPLITS, some, split_folders

__all__ = ["clip_group", "split", "split_by_class"]


def clip_group(path: Path) -> str:
    """What a video was cut from: "v_Archery_g03" of `v_Archery_g03_c01.avi`; of other names, the path itself."""
    match = re.fullmatch(r"(.+_g\d+)_c\d+", Path(path).stem)
    return match[1] if match else str(path)


def split_by_class(dataset: Videos, held_out: float = 0.2, seed: int = 0,
                   groups: Callable[[Path], Hashable] = clip_group) -> tuple[Videos, Videos]:
    """-> (training set, held-out set): about the share `held_out` of each class, and no group in both.

    `groups(path)` names the recording, person or place that a video comes from; videos that share it stay together,
    also across classes. The choice depends on the names and the seed alone. Groups are large and few, so the share is
    met as nearly as they allow; each class keeps at least one video on either side.
    Raises ValueError for a bad share, DatasetError when a class cannot be divided.
    """
    if not 0 < held_out < 1:
        raise ValueError(f"held_out is {held_out!r}; expected a share between 0 and 1")
    check_count("seed", seed, least=0)
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index, path in enumerate(dataset.paths):
        members[groups(path)].append(index)
    total = Counter(dataset.labels)
    content = {name: Counter(dataset.labels[i] for i in indices) for name, indices in members.items()}
    wanted = {label: held_out * count for label, count in total.items()}
    held: Counter[int] = Counter()
    chosen = set()
    names = sorted(members, key=str)
    names = [names[i] for i in torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))]

    def nearer(name: Hashable) -> bool:
        """Does this group bring the held-out counts of its classes closer to what is wanted, in sum?"""
        return sum(abs(held[k] + n - wanted[k]) - abs(held[k] - wanted[k]) for k, n in content[name].items()) < 0

    def harmless(name: Hashable) -> bool:
        return all(held[k] + n < total[k] for k, n in content[name].items())

    for name in names:
        if nearer(name) and harmless(name):
            chosen.add(name)
            held += content[name]
    for label in sorted(label for label in total if not held[label]):  # all groups are too large for it
        able = [name for name in names if name not in chosen and label in content[name] and harmless(name)]
        if able and not held[label]:
            name = min(able, key=lambda name: len(members[name]))
            chosen.add(name)
            held += content[name]
    stuck = [dataset.classes[label] for label in sorted(total) if not 0 < held[label] < total[label]]
    if stuck:
        raise DatasetError(f"{len(stuck)} classes cannot be divided without tearing a group apart: {some(stuck)}; "
                           "each needs videos of two groups at least")
    inside = {index for name in chosen for index in members[name]}
    return (dataset.subset([i for i in range(len(dataset)) if i not in inside]),
            dataset.subset(sorted(inside)))


def split(root: str | os.PathLike, *, held_out: float = 0.2, seed: int = 0,
          groups: Callable[[Path], Hashable] = clip_group, **settings) -> dict[str, Videos]:
    """The training set and the sets to evaluate on, by name, "train" first.

    A `root` with the folders train/ and val/ or test/ is divided as it stands, and the classes are those of train/; of
    any other folder of class folders `split_by_class` holds out a share, under the name "val". `settings` go to
    `VideoFolder`; sets to evaluate on always take uniform frames and no transform.
    """
    root = Path(root)
    found = [folder.name for folder in split_folders(root)] if root.is_dir() else []
    plain = {"sampling": "uniform", "stride": 1, "transform": None}
    if "train" not in found:
        train, val = split_by_class(VideoFolder(root, **settings), held_out, seed, groups)
        return {"train": train, "val": val.replace(**plain)}
    if len(found) == 1:
        raise DatasetError(f"{root} has train/ but none of {', '.join(SPLITS[1:])}; expected something to evaluate on, "
                           f"or use split_by_class(VideoFolder({str(root / 'train')!r}))")
    train = VideoFolder(root / "train", **settings)
    others = sorted((name for name in found if name != "train"), key=SPLITS.index)
    return {"train": train} | {name: VideoFolder(root / name, classes=train.classes, **settings | plain)
                               for name in others}
