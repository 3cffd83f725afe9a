"""08.5: several views of a clip, one answer, and the two accuracies that people confuse."""

from __future__ import annotations

import numpy as np
import torch

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make


def cut_views(video, frames, stride, windows):
    """video (b, c, T, h, w), h <= w -> (b, windows * 3, c, frames, h, h): each window left, middle, right.

    A window is `frames` frames, `stride` apart. The first window begins in frame 0, the last one ends in frame T - 1,
    the others begin at even distances between (rounded with `round`); one window alone begins in frame 0. The crops are
    h x h; the middle one begins at column (w - h) // 2.
    """
    span = (frames - 1) * stride + 1
    room, side, width = video.shape[2] - span, video.shape[3], video.shape[4]
    found = []
    for i in range(windows):
        start = round(i * room / max(1, windows - 1))
        window = video[:, :, start:start + span:stride]
        for left in (0, (width - side) // 2, width - side):
            found.append(window[..., left:left + side])
    return torch.stack(found, dim=1)


def vote(logits):
    """logits (b, v, classes) of v views -> (b, classes): the mean of the views' probabilities."""
    return logits.softmax(dim=-1).mean(dim=1)


def accuracies(logits, labels):
    """logits (b, v, classes), labels (b,) -> two floats: each view counted by itself, and one answer for each clip."""
    each = (logits.argmax(dim=-1) == labels[:, None]).float().mean()
    together = (vote(logits).argmax(dim=-1) == labels).float().mean()
    return each.item(), together.item()


def cases(rng: np.random.Generator) -> list[Case]:
    def film(b: int, t: int, h: int, w: int, frames: int, stride: int, windows: int) -> dict:
        return {"video": make.tokens(rng, b, 2, t, h, w), "frames": frames, "stride": stride, "windows": windows}

    def scored(b: int, v: int, classes: int, size: float = 2.0) -> dict:
        return {"logits": size * make.tokens(rng, b, v, classes), "labels": rng.integers(0, classes, b)}

    places = film(1, 13, 2, 6, 3, 2, 4)
    places["video"][:] = np.arange(13, dtype=np.float32)[:, None, None] + np.arange(6, dtype=np.float32) / 10
    loud = scored(3, 5, 4)  # one view is very sure of another class than the other four
    loud["logits"][:, :4] *= 0.1
    loud["logits"][:, :4, 1] += 3
    loud["logits"][:, 4, 2] += 40
    loud["labels"][:] = 1
    axes = "(b, windows * 3, c, frames, h, h)"
    return [
        Case("pixels that name frame and column", "cut_views", places, "where each view begins", axes=axes),
        Case("one window, every frame", "cut_views", film(2, 5, 3, 4, 5, 1, 1), "the whole clip", axes=axes),
        Case("two windows, two apart", "cut_views", film(3, 11, 4, 7, 4, 2, 2), "first and last", axes=axes),
        Case("many windows", "cut_views", film(2, int(rng.integers(14, 19)), 2, 5, 3, 3, 5), "even distances",
             axes=axes, share=2),
        Case("one view, one class in doubt", "vote", {"logits": scored(4, 1, 3)["logits"]}, "a softmax",
             axes="(b, classes)"),
        Case("some views", "vote", {"logits": scored(2, 3, int(rng.integers(5, 9)))["logits"]}, "one vote each",
             axes="(b, classes)", gradient=True),
        Case("a view that is too sure", "vote", {"logits": loud["logits"]}, "it has one vote at most",
             axes="(b, classes)"),
        Case("two accuracies", "accuracies", scored(7, 3, 3), "views and clips are counted differently"),
        Case("one loud view", "accuracies", loud, "four views against one"),
        Case("many clips", "accuracies", scored(int(rng.integers(25, 40)), 4, 3, 1.0), "another number of each",
             share=2),
    ]


def oracle(case: Case):
    given = case.inputs
    if case.function == "cut_views":
        video, frames, stride, windows = (given[name] for name in ("video", "frames", "stride", "windows"))
        b, c, t, h, w = video.shape
        out = np.zeros((b, windows * 3, c, frames, h, h))
        last = t - 1 - (frames - 1) * stride
        for view in range(windows * 3):
            i, crop = divmod(view, 3)
            start = 0 if windows == 1 else round(i * last / (windows - 1))
            left = [0, (w - h) // 2, w - h][crop]
            for frame in range(frames):
                out[:, view, :, frame] = video[:, :, start + stride * frame, :, left:left + h]
        return out
    logits = given["logits"].astype(np.float64)
    b, v, classes = logits.shape
    mean, hits = np.zeros((b, classes)), 0
    for clip in range(b):
        for view in range(v):
            powers = np.exp(logits[clip, view] - logits[clip, view].max())
            mean[clip] += powers / powers.sum() / v
            if case.function == "accuracies":
                hits += int(logits[clip, view].argmax() == given["labels"][clip])
    if case.function == "vote":
        return mean
    return hits / (b * v), sum(int(mean[clip].argmax() == given["labels"][clip]) for clip in range(b)) / b


def no_shares(inputs, out: np.ndarray) -> str | None:
    total = out.sum(axis=-1)
    if np.abs(total - 1).max() < 1e-4 and out.min() > -1e-6:
        return None
    return (f"the classes of clip 0 add up to {total[0]:.2f}, and the smallest is {out.min():.2f}. A mean of "
            "probabilities is never below 0 and adds up to 1.")


STARTS = "start = round(i * room / max(1, windows - 1))"
VOTE = "return logits.softmax(dim=-1).mean(dim=1)"
MUTANTS = (
    Mutant("windows one after the other", ((STARTS, "start = min(room, i * span)"),),
           "Your windows stand one after the other from frame 0 on. They should be spread over the clip, the last one "
           "ending with it."),
    Mutant("room left at the end", ((STARTS, "start = round(i * room / windows)"),),
           "Your last window ends before the clip does: there are windows - 1 distances between windows windows."),
    Mutant("the same window again", ((STARTS, "start = room // 2"),),
           "All your windows begin in the same frame."),
    Mutant("stride forgotten", ((":start + span:stride", ":start + frames"),),
           "Your frames are neighbours. They should be `stride` apart, as in training."),
    Mutant("the span without stride", (("span = (frames - 1) * stride + 1", "span = frames * stride"),),
           "A window needs (frames - 1) * stride + 1 frames: after its last frame comes no gap. Yours is longer, "
           "so the windows stand too close."),
    Mutant("one crop", (("for left in (0, (width - side) // 2, width - side)",
                         "for left in ((width - side) // 2,) * 3"),),
           "You took the middle three times. Left, middle, right."),
    Mutant("crops before windows", (("return torch.stack(found, dim=1)",
                                     "return torch.stack(found, dim=1).unflatten(1, (windows, 3)).transpose(1, 2)"
                                     ".flatten(1, 2)"),),
           "Your views run crop by crop. All three crops of the first window come first."),
    Mutant("right before left", (("(0, (width - side) // 2, width - side)", "(width - side, (width - side) // 2, 0)"),),
           "Your crops run from right to left. The left one comes first."),
    Mutant("the mean of logits", ((VOTE, "return logits.mean(dim=1).softmax(dim=-1)"),),
           "You averaged logits. One view that is very sure then outvotes all the others; in a mean of "
           "probabilities each has one vote at most."),
    Mutant("no softmax", ((VOTE, "return logits.mean(dim=1)"),),
           "You averaged the logits and left them so. Turn each view's logits into probabilities first."),
    Mutant("softmax over views", ((VOTE, "return logits.softmax(dim=1).mean(dim=1)"),),
           "Your softmax runs over the views, so every class gets the same 1/v. It runs over the classes."),
    Mutant("the sum", ((VOTE, "return logits.softmax(dim=-1).sum(dim=1)"),),
           "You added the probabilities up. Their mean is asked for: it adds up to 1."),
    Mutant("the best view", ((VOTE, "return logits.softmax(dim=-1).amax(dim=1)"),),
           "You took the largest probability of each class over the views; so the surest view decides alone."),
    Mutant("hard votes", ((VOTE, "return F.one_hot(logits.argmax(dim=-1), logits.shape[-1]).float().mean(dim=1)"),),
           "You counted votes. A view that hesitates between two classes should give half a vote to each: average the "
           "probabilities."),
    Mutant("the two exchanged", (("return each.item(), together.item()", "return together.item(), each.item()"),),
           "You gave the clips first. The views, each by itself, come first."),
    Mutant("any view will do", (("(vote(logits).argmax(dim=-1) == labels)",
                                 "(logits.argmax(dim=-1) == labels[:, None]).any(dim=1)"),),
           "You counted a clip as right if any of its views is. All views give one answer together."),
    Mutant("the first view", (("each = (logits.argmax(dim=-1) == labels[:, None])",
                               "each = (logits[:, 0].argmax(dim=-1) == labels)"),),
           "For the views you counted the first one of each clip alone."),
    Mutant("counts", (("float().mean()\n    together", "float().sum()\n    together"),),
           "You gave the number of right views. An accuracy is a share."),
)


def cut_with_indices(video, frames, stride, windows):
    b, c, length, side, width = video.shape
    last = length - 1 - stride * (frames - 1)
    starts = [0] if windows == 1 else [round(k * last / (windows - 1)) for k in range(windows)]
    views = []
    for first in starts:
        part = video[:, :, [first + stride * k for k in range(frames)]]
        views += [part.narrow(4, x, side) for x in (0, (width - side) // 2, width - side)]
    return torch.stack(views, 1)


def vote_by_log(logits):
    return torch.logsumexp(logits.log_softmax(-1), 1).exp() / logits.shape[1]


def vote_in_a_loop(logits):
    total = 0
    for view in logits.unbind(1):
        total = total + torch.softmax(view, 1)
    return total / logits.shape[1]


def accuracies_counted(logits, labels):
    b, v, _ = logits.shape
    hits = sum(int(logits[i, j].argmax() == labels[i]) for i in range(b) for j in range(v))
    clips = sum(int(logits[i].softmax(-1).sum(0).argmax() == labels[i]) for i in range(b))
    return hits / (b * v), clips / b


STYLES = (
    Style("indices, logsumexp, counting", {"cut_views": cut_with_indices, "vote": vote_by_log,
                                           "accuracies": accuracies_counted}),
    Style("a loop over views", {"vote": vote_in_a_loop}),
)

EXERCISE = Exercise(
    id="08.5",
    title="Many views, one answer",
    difficulty=3,
    minutes=13,
    points=22,
    why="papers report the mean answer to 3 or 30 views of a clip, and many people who are \"below the paper\" have "
        "counted single views.",
    objectives=("cut the views that an evaluation needs", "average what views say, and report both accuracies"),
    answer=(cut_views, vote, accuracies),
    cases=cases,
    oracle=oracle,
    properties=(Property("probabilities", "vote", no_shares),),
    differentiable=("vote",),
    hints=(
        "Draw the clip as a line of T frames and lay the first and the last window on it. How far apart may their "
        "starts be?",
        "span = (frames - 1) * stride + 1; the last start is T - span; start i is round(i * (T - span) / (windows "
        "- 1)). video[:, :, start:start + span:stride] is a window.",
        "vote: logits.softmax(dim=-1).mean(dim=1). accuracies: compare logits.argmax(-1) (b, v) with labels[:, None], "
        "and vote(logits).argmax(-1) with labels.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
