"""08.1: one draw for all frames of a clip, and a label that follows what is seen."""

from __future__ import annotations

import numpy as np
import torch

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make


def crop_clips(video, top, left, size):
    """video (b, c, t, h, w), top and left (b,) whole numbers -> (b, c, t, size, size): one box for each clip."""
    boxes = [clip[:, :, y:y + size, x:x + size] for clip, y, x in zip(video, top.tolist(), left.tolist(), strict=True)]
    return torch.stack(boxes)


def brighten(video, factor):
    """video (b, c, t, h, w) times factor (b,), one number for each clip, and never above 1."""
    return (video * factor[:, None, None, None, None]).clamp(max=1)


def flip_clips(video, labels, flipped, mirrored):
    """video (b, c, t, h, w), labels (b,), flipped (b,) bool -> the clips, mirrored where `flipped`, and their labels.

    mirrored (classes,): the label of the mirror image of each class.
    """
    seen = torch.where(flipped[:, None, None, None, None], video.flip(-1), video)
    return seen, torch.where(flipped, mirrored[labels], labels)


def mirror_of(rng: np.random.Generator, classes: int) -> np.ndarray:
    """Some classes change places in pairs, the others stay."""
    mirrored, order = np.arange(classes), rng.permutation(classes)
    for a, b in zip(order[0:classes // 3 * 2:2], order[1:classes // 3 * 2:2], strict=True):
        mirrored[[a, b]] = mirrored[[b, a]]
    return mirrored


def cases(rng: np.random.Generator) -> list[Case]:
    def clips(*shape: int) -> np.ndarray:
        return rng.uniform(0.05, 0.95, shape).astype(np.float32)

    def flipped(b: int, t: int, h: int, w: int, classes: int, which: list[bool]) -> dict:
        mirrored = mirror_of(rng, classes)
        moved = np.flatnonzero(mirrored != np.arange(classes))
        labels = rng.choice(moved, b)
        return {"video": clips(b, 2, t, h, w), "labels": labels.astype(np.int64), "flipped": np.array(which),
                "mirrored": mirrored.astype(np.int64)}

    def cropped(b: int, t: int, h: int, w: int, size: int) -> dict:
        room = min(h, w) - size + 1  # for both, so that exchanged corners still fit
        top = rng.permutation(room)[:b]
        left = (top + rng.integers(1, room)) % room
        return {"video": clips(b, 3, t, h, w), "top": top.astype(np.int64), "left": left.astype(np.int64),
                "size": size}

    factor = rng.uniform(0.4, 2.2, 3).astype(np.float32)
    factor[0] = rng.uniform(1.6, 2.2)  # beyond white
    still = clips(2, 3, 1, 6, 9).repeat(5, axis=2)
    b, t, h, w = make.sizes(rng, (2, 3), (4, 5), (6,), (7, 8, 9))
    return [
        Case("still clips", "crop_clips", {"video": still, "top": np.array([2, 0]), "left": np.array([1, 2]),
                                           "size": 4},
             "a still clip stays still", axes="(b, c, t, size, size)"),
        Case("a box for each clip", "crop_clips", cropped(b, t, h, w + 2, 3), "each clip has its own box",
             axes="(b, c, t, size, size)"),
        Case("one clip, one pixel", "crop_clips", cropped(1, 3, 5, 8, 1), "a box may be as small as a pixel",
             axes="(b, c, t, size, size)"),
        Case("still clips, brighter", "brighten", {"video": 0.4 * still, "factor": np.array([1.7, 0.6], np.float32)},
             "a still clip stays still", axes="(b, c, t, h, w)", gradient=True),
        Case("clips of their own", "brighten", {"video": clips(b, 3, t, h, w),
                                                "factor": factor[:b]},
             "each clip has its own factor", axes="(b, c, t, h, w)"),
        Case("some are mirrored", "flip_clips", flipped(4, t, h, w, 8, [True, False, True, False]),
             "the label says what is seen", axes="the clips (b, c, t, h, w) and the labels (b,)", share=2),
        Case("none is mirrored", "flip_clips", flipped(2, 3, 4, 5, 6, [False, False]), "nothing changes",
             axes="the clips (b, c, t, h, w) and the labels (b,)"),
        Case("every clip, many classes", "flip_clips", flipped(3, 2, 5, 7, 11, [True] * 3), "all labels follow",
             axes="the clips (b, c, t, h, w) and the labels (b,)"),
    ]


def oracle(case: Case):
    given = case.inputs
    video = given["video"].astype(np.float64)
    b, c, t, h, w = video.shape
    if case.function == "crop_clips":
        size, out = given["size"], np.zeros((b, c, t, given["size"], given["size"]))
        for clip in range(b):
            for row in range(size):
                for column in range(size):
                    out[clip, :, :, row, column] = video[clip, :, :, given["top"][clip] + row,
                                                         given["left"][clip] + column]
        return out
    if case.function == "brighten":
        return np.array([np.minimum(1.0, clip * float(factor))
                         for clip, factor in zip(video, given["factor"], strict=True)])
    out, labels = video.copy(), given["labels"].copy()
    for clip in range(b):
        if given["flipped"][clip]:
            for column in range(w):
                out[clip, ..., column] = video[clip, ..., w - 1 - column]
            labels[clip] = given["mirrored"][labels[clip]]
    return out, labels


def flickers(inputs, out: np.ndarray) -> str | None:
    change = np.abs(np.diff(out, axis=2)).max(axis=(0, 1, 3, 4))
    if change.max() < 1e-5:
        return None
    return (f"the clip stands still, and yours changes by up to {change.max():.2f} between frame {change.argmax()} "
            f"and the next. All frames of a clip get the same.")


SEEN = "seen = torch.where(flipped[:, None, None, None, None], video.flip(-1), video)"
MUTANTS = (
    Mutant("the first box for all", (("clip[:, :, y:y + size, x:x + size]",
                                      "clip[:, :, top[0]:top[0] + size, left[0]:left[0] + size]"),),
           "Every clip is cut where the first one is. Each clip has a top and a left of its own."),
    Mutant("top and left exchanged", (("top.tolist(), left.tolist()", "left.tolist(), top.tolist()"),),
           "You took top for the column and left for the row. Rows come first: [..., top:, left:]."),
    Mutant("a box that walks", (("boxes = [clip[:, :, y:y + size, x:x + size]",
                                 "boxes = [torch.stack([frame[:, min(i % 2 + y, frame.shape[1] - size):][:, :size, "
                                 "x:x + size] for i, frame in enumerate(clip.unbind(1))], dim=1)"),),
           "Your box moves from frame to frame, so a still clip shakes: motion that no camera filmed. One box for all "
           "frames of a clip."),
    Mutant("the corner as the middle", (("y:y + size, x:x + size",
                                         "max(0, y - size // 2):, max(0, x - size // 2):][..., :size, :size"),),
           "top and left are the upper left corner of the box; you centred the box on them."),
    Mutant("one factor for all", (("factor[:, None, None, None, None]", "factor.mean()"),),
           "All clips got the mean factor. Each clip has its own."),
    Mutant("a factor for each frame",
           (("factor[:, None, None, None, None]",
             "torch.linspace(0.7, 1.3, video.shape[2])[:, None, None] * factor[:, None, None, None, None]"),),
           "Your frames are brightened differently, so the clip flickers. One factor for all frames of a clip."),
    Mutant("added", (("video * factor[:, None, None, None, None]", "video + factor[:, None, None, None, None] - 1"),),
           "You added the factor. Brightness multiplies: black stays black."),
    Mutant("not clamped", ((".clamp(max=1)", ""),),
           "Bright pixels went above 1, where no pixel of a film is. Clamp after multiplying."),
    Mutant("mirrored in time", (("video.flip(-1)", "video.flip(2)"),),
           "You turned the frames round: the clip runs backwards. Mirroring reverses the columns, the last axis."),
    Mutant("upside down", (("video.flip(-1)", "video.flip(-2)"),),
           "You turned the rows round, so the clip stands on its head. Mirroring reverses the columns, the last axis."),
    Mutant("labels kept", (("torch.where(flipped, mirrored[labels], labels)", "labels"),),
           "The clips are mirrored and their labels are not: a digit that now moves west is still called east. Half of "
           "the training set is wrong then."),
    Mutant("all labels exchanged", (("torch.where(flipped, mirrored[labels], labels)", "mirrored[labels]"),),
           "You exchanged the labels of all clips, also of those that were not mirrored."),
    Mutant("the wrong ones exchanged", (("torch.where(flipped, mirrored[labels], labels)",
                                         "torch.where(flipped, labels, mirrored[labels])"),),
           "You exchanged the labels of the clips that were *not* mirrored, and kept those of the others."),
    Mutant("opposite", (("mirrored[labels], labels)", "labels ^ 1, labels)"),),
           "You took the opposite direction. Whether a class changes, and into which, stands in `mirrored`: north "
           "in the mirror is north."),
    Mutant("all or none", ((SEEN, "seen = video.flip(-1) if flipped.any() else video"),),
           "One mirrored clip mirrored the whole batch. Each clip decides for itself."),
)


def crop_by_index(video, top, left, size):
    rows = top[:, None] + torch.arange(size)  # (b, size)
    columns = left[:, None] + torch.arange(size)
    clips = torch.arange(len(video))[:, None, None]
    return video.permute(0, 3, 4, 1, 2)[clips, rows[:, :, None], columns[:, None, :]].permute(0, 3, 4, 1, 2)


def brighten_by_view(video, factor):
    return torch.minimum(video * factor.view(-1, 1, 1, 1, 1), torch.ones(()))


def flip_in_place(video, labels, flipped, mirrored):
    video, labels = video.clone(), labels.clone()
    video[flipped] = video[flipped].flip(-1)
    labels[flipped] = mirrored[labels[flipped]]
    return video, labels


def flip_one_by_one(video, labels, flipped, mirrored):
    pairs = [(clip.flip(3), mirrored[label]) if turn else (clip, label)
             for clip, label, turn in zip(video, labels, flipped, strict=True)]
    return torch.stack([clip for clip, _ in pairs]), torch.stack([label for _, label in pairs])


STYLES = (
    Style("indices, masks", {"crop_clips": crop_by_index, "brighten": brighten_by_view, "flip_clips": flip_in_place}),
    Style("clip by clip", {"flip_clips": flip_one_by_one}),
)

EXERCISE = Exercise(
    id="08.1",
    title="Augment a clip, not its frames",
    difficulty=2,
    minutes=10,
    points=20,
    why="a transform that is drawn for each frame invents motion and flicker, and a mirrored clip with its old "
        "label is a wrong example.",
    objectives=("crop and brighten all frames of a clip alike, each clip for itself",
                "mirror clips and give them the label of what is seen"),
    answer=(crop_clips, brighten, flip_clips),
    cases=cases,
    oracle=oracle,
    properties=(
        Property("no shaking", "crop_clips", flickers, ("still clips",)),
        Property("no flicker", "brighten", flickers, ("still clips, brighter",)),
    ),
    hints=(
        "Everything that is drawn is one number for each clip. What has to be done to it, so that it meets a tensor "
        "with five axes?",
        "factor[:, None, None, None, None] is (b, 1, 1, 1, 1). For crops, go through the clips one by one and stack. "
        "mirrored[labels] looks up a label for each clip.",
        "torch.where(flipped[:, None, None, None, None], video.flip(-1), video) decides for each clip, and "
        "torch.where(flipped, mirrored[labels], labels) for each label.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
