"""Which label has a clip in the mirror? A digit that moves east moves west there.

    mirrored = mirrored_directions("motion")                                  # (1, 0, 2, 3, 6, 7, 4, 5): E <-> W, ...
    mirrored = mirrored_names(["Pushing something from left to right", ...])  # Something-Something, by its words
    augment = Augment(flip=0.5, mirrored=mirrored)

These maps are for the direction. The digit is mirrored, too, and a mirrored 7 is no 7.
"""

import re
from collections.abc import Sequence
from typing import Literal

from videoformer_edu.data.motion.trajectories import TASKS

Mirrored = Sequence[int] | Literal["unchanged"]


def mirrored_directions(task: str) -> tuple[int, ...]:
    """The label of the mirror image for each class of a task of the generated clips: (1, 0, 2, 3, 6, ...), E <-> W.

    Raises ValueError where a class has none: SE of "motion8" would be SW, which is no class of it.
    """
    if task not in TASKS:
        raise ValueError(f"task is {task!r}; expected one of {', '.join(map(repr, TASKS))}")
    # "order6" names the places that a digit visits: 0 is the leftmost of eight, 7 the rightmost.
    exchanged = str.maketrans("EW01234567", "WE76543210")
    return _numbers(TASKS[task].classes, [name.translate(exchanged) for name in TASKS[task].classes])


def mirrored_names(classes: Sequence[str], pairs: Sequence[tuple[str, str]] = (("left", "right"),)) -> tuple[int, ...]:
    """The label of the mirror image for each class of a data set, found by exchanging words in the names.

    "Pushing something from left to right" <-> "Pushing something from right to left". A name with none of the
    words stays as it is, so look for other words that know the side: `pairs` takes them, for example
    ("clockwise", "counterclockwise"). Capitals do not matter; "leftwards" counts, "upright" does not.
    Raises ValueError for a name whose mirror image is no class, naming both.
    """
    other = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
    word = re.compile(rf"(?<![a-z])(?:{'|'.join(map(re.escape, other))})(?=(?:wards?)?(?![a-z]))")
    names = [name.lower() for name in classes]
    return _numbers(names, [word.sub(lambda match: other[match[0]], name) for name in names])


def _numbers(names: Sequence[str], images: Sequence[str]) -> tuple[int, ...]:
    lost = [f"{image} (of {name})" for name, image in zip(names, images, strict=True) if image not in names]
    if lost:
        raise ValueError(f"mirror images that are none of the {len(names)} classes: {', '.join(lost)}; do not flip")
    return tuple(names.index(image) for image in images)


def check_mirrored(mirrored: Mirrored) -> None:
    """Raise ValueError unless `mirrored` is "unchanged" or a map of classes that is its own inverse."""
    if isinstance(mirrored, str):
        if mirrored != "unchanged":
            raise ValueError(f'mirrored is {mirrored!r}; expected "unchanged", or the label of each mirror image')
    elif any(not 0 <= image < len(mirrored) or mirrored[image] != label for label, image in enumerate(mirrored)):
        raise ValueError(f"mirrored is {mirrored!r}; a clip flipped twice must have its first label again, so "
                         f"mirrored[mirrored[label]] must be label")
