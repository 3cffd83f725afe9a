"""The horizontal flip, and its trap: in a mirror, a digit that moves east moves west.

Where a label knows left from right, a flipped clip with its old label is a wrong example. So nothing here flips
before it is told what becomes of the labels: `mirrored`, the label of each class's mirror image, or "unchanged".

    mirrored = mirrored_directions("motion")                                  # (1, 0, 2, 3, 6, 7, 4, 5): E <-> W, ...
    mirrored = mirrored_names(["Pushing something from left to right", ...])  # Something-Something, by its words
    clips, labels = horizontal_flip(clips, labels, mirrored=mirrored, generator=generator)

The digit is mirrored, too: these maps are for the direction, and a mirrored 7 is no 7.
"""

import re
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from videoformer_edu.data.arguments import check_clips, check_generator, check_labels, check_probability
from videoformer_edu.data.motion.trajectories import DIRECTIONS, ORDERS, STEPS, TASKS

__all__ = ["horizontal_flip", "mirrored_directions", "mirrored_names"]

Mirrored = Sequence[int] | Literal["unchanged"]


def horizontal_flip(
    clips: Tensor, labels: Tensor, *, mirrored: Mirrored, p: float = 0.5, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mirror each clip with probability `p`, all its frames, and give it the label of what is now seen.

    clips `(b, c, t, h, w)`, uint8 or float in any range; labels `(b,)`. `mirrored[label]` is the label of the
    mirrored clip; "unchanged" says that no label of the data set knows left from right.
    Raises ValueError for a map that does not lead back to where it came from, labels outside it, another layout, a
    `p` outside 0 ... 1 or no generator on the CPU; TypeError for labels that are not whole numbers.
    """
    check_clips(clips, batched=True)
    check_labels(labels, len(clips))
    check_generator(generator)
    check_mirrored(mirrored)
    check_probability("p", p)
    flipped = torch.rand(len(clips), generator=generator) < p
    new = labels
    if mirrored != "unchanged":
        if labels.min() < 0 or labels.max() >= len(mirrored):
            raise ValueError(f"labels go from {labels.min()} to {labels.max()}; mirrored has {len(mirrored)} classes")
        new = torch.where(flipped.to(labels.device), labels.new_tensor(mirrored)[labels.long()], labels)
    return torch.where(flipped.to(clips.device).view(-1, 1, 1, 1, 1), clips.flip(-1), clips), new


def mirrored_directions(task: str) -> tuple[int, ...]:
    """The label of the mirror image for each class of a task of the generated clips, from the paths themselves.

    Raises ValueError where a class has none: SE of "motion8" would be SW, which is no class of it, and the mirror
    images of two orders of "order6" are other orders. Such a task must not be flipped.
    """
    if task not in TASKS:
        raise ValueError(f"task is {task!r}; expected one of {', '.join(map(repr, TASKS))}")
    classes = TASKS[task].classes
    if task == "order6":  # the places on a line, in the order in which they are visited
        paths, images = ORDERS.tolist(), (ORDERS.max() - ORDERS).tolist()
    else:  # (dx, dy); what approaches or recedes stays what it is
        steps = dict(zip(DIRECTIONS, STEPS.tolist(), strict=True))
        paths = [steps.get(name, name) for name in classes]
        images = [[-path[0], path[1]] if name in steps else path for name, path in zip(classes, paths, strict=True)]
    lost = [name for name, image in zip(classes, images, strict=True) if image not in paths]
    if lost:
        raise ValueError(f'the task "{task}" has no class for the mirror image of {", ".join(lost)}; do not flip it')
    return tuple(paths.index(image) for image in images)


def mirrored_names(
    classes: Sequence[str], pairs: Sequence[tuple[str, str]] = (("left", "right"),)
) -> tuple[int, ...]:
    """The label of the mirror image for each class of a data set, found by exchanging words in the names.

    "Pushing something from left to right" <-> "Pushing something from right to left". A name with none of the
    words stays as it is, so look for other words that know the side: `pairs` takes them, for example
    ("clockwise", "counterclockwise"). Capitals do not matter; "leftwards" counts, "upright" does not.
    Raises ValueError for a name whose mirror image is no class, naming both.
    """
    other = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
    word = re.compile(rf"(?<![a-z])(?:{'|'.join(map(re.escape, other))})(?=(?:wards?)?(?![a-z]))")
    names = [name.lower() for name in classes]
    images = [word.sub(lambda match: other[match[0]], name) for name in names]
    for name, image in zip(classes, images, strict=True):
        if image not in names:
            raise ValueError(f"the mirror image of {name!r} would be {image!r}, which is none of the {len(names)} "
                             f"classes; do not flip the clips of this data set")
    return tuple(names.index(image) for image in images)


def check_mirrored(mirrored: Mirrored) -> None:
    """Raise ValueError unless `mirrored` is "unchanged" or a map of classes that is its own inverse."""
    if isinstance(mirrored, str):
        if mirrored != "unchanged":
            raise ValueError(f'mirrored is {mirrored!r}; expected "unchanged", or the label of each mirror image')
    elif any(not 0 <= image < len(mirrored) or mirrored[image] != label for label, image in enumerate(mirrored)):
        raise ValueError(f"mirrored is {mirrored!r}; a clip flipped twice must have its first label again, so "
                         f"mirrored[mirrored[label]] must be label")
