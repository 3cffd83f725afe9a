"""06.4: which patches repeat? A run-length mask: keep what changes, and remember for how long it stays."""

from __future__ import annotations

import numpy as np
import torch

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make


def changed(patches, threshold):
    """patches (b, t, n, pixels) -> bool (b, t, n): mean |difference| to the frame before > threshold; frame 0: True."""
    apart = (patches[:, 1:] - patches[:, :-1]).abs().mean(dim=-1)  # (b, t - 1, n)
    first = torch.ones_like(apart[:, :1]) if apart.shape[1] else patches.new_ones(patches.shape[:3])
    return torch.cat([first > 0, apart > threshold], dim=1)


def run_lengths(kept):
    """kept (b, t, n) bool -> whole numbers (b, t, n): for how many frames a kept patch stays, with its own; else 0."""
    length = torch.zeros_like(kept, dtype=torch.long)
    run = torch.zeros_like(kept[:, 0], dtype=torch.long)
    for frame in reversed(range(kept.shape[1])):
        run = run + 1
        length[:, frame] = torch.where(kept[:, frame], run, 0)
        run = torch.where(kept[:, frame], 0, run)
    return length


def saved(kept):
    """The share of the tokens that are dropped, a number from 0 to 1."""
    return 1 - kept.float().mean().item()


def cases(rng: np.random.Generator) -> list[Case]:
    def film(b: int, t: int, n: int, p: int, moving: float) -> np.ndarray:
        """Patches that stay, with a little noise, until they change."""
        out = np.empty((b, t, n, p))
        for i in range(t):
            fresh = rng.uniform(-1, 1, (b, n, p))
            stay = rng.random((b, n, 1)) > moving
            out[:, i] = np.where(stay, out[:, i - 1] + rng.uniform(-0.01, 0.01, (b, n, p)), fresh) if i else fresh
        return out.astype(np.float32)

    def mask(b: int, t: int, n: int, share: float) -> dict:
        kept = rng.random((b, t, n)) < share
        kept[:, 0] = True
        return {"kept": kept}

    t, n = make.sizes(rng, (5, 6, 7), (3, 4))
    still = np.repeat(make.tokens(rng, 1, 1, 3, 4), 5, axis=1)
    drift = np.linspace(0, 1, 6, dtype=np.float32)[None, :, None, None] * np.ones((1, 1, 2, 3), np.float32)
    opposite = np.stack([np.array([[1.0, -1.0]]), np.array([[-1.0, 1.0]])])[None].astype(np.float32)  # (1, 2, 1, 2)
    noisy = np.zeros((1, 3, 2, 4), np.float32)
    noisy[:, 1, 0, 2] = 1.0
    alternating = np.array([[[[0.0]], [[1.0]], [[0.0]], [[1.0]]]], np.float32)
    axes = "clip, frame, place"
    return [
        Case("a still clip", "changed", {"patches": still, "threshold": 0.1}, "frame 0 alone", axes=axes),
        Case("the mean stays", "changed", {"patches": opposite, "threshold": 0.5},
             "pixels change, their mean does not", axes=axes),
        Case("there and back", "changed", {"patches": alternating * 0.7, "threshold": 0.5},
             "compared is the frame before, not frame 0", axes=axes),
        Case("a slow drift", "changed", {"patches": drift, "threshold": 0.25},
             "each step is small, and nothing is kept: that is the weakness of it", axes=axes),
        Case("just at the threshold", "changed", {"patches": alternating * 0.5, "threshold": 0.5},
             "kept is what is over the threshold", axes=axes),
        Case("one noisy pixel", "changed", {"patches": noisy, "threshold": 0.4}, "the mean over a patch stays small",
             axes=axes),
        Case("two clips", "changed", {"patches": film(2, t, n, 5, 0.4), "threshold": 0.2}, "any size", axes=axes),
        Case("three clips, a low threshold", "changed", {"patches": film(3, 4, 2, 3, 0.5), "threshold": 0.02},
             "noise stays below it", axes=axes),
        Case("one frame", "changed", {"patches": make.tokens(rng, 2, 1, 3, 2), "threshold": 0.3}, "all is new",
             axes=axes),
        Case("nothing repeats", "run_lengths", {"kept": np.ones((2, 3, 4), bool)}, "every patch stays one frame",
             axes=axes),
        Case("everything repeats", "run_lengths", {"kept": np.arange(5)[None, :, None] * np.ones((1, 1, 2)) < 1},
             "frame 0 stays for the whole clip", axes=axes),
        Case("any run", "run_lengths", mask(2, t, n, 0.5), "runs add up to the clip, at each place", axes=axes),
        Case("rare changes", "run_lengths", mask(1, 9, 2, 0.3), "long runs", axes=axes),
        Case("half of it", "saved", {"kept": np.array([[[True, True], [False, False]]])}, "0.5"),
        Case("any share", "saved", mask(3, t, n, 0.6), "any clip"),
    ]


def oracle(case: Case) -> np.ndarray | float:
    """Place by place: the frames of a tube, one after the other."""
    given = case.inputs
    if case.function == "changed":
        patches = given["patches"].astype(np.float64)
        (b, t, n, p), limit = patches.shape, given["threshold"]
        out = np.ones((b, t, n), bool)
        for clip in range(b):
            for place in range(n):
                for frame in range(1, t):
                    now, before = patches[clip, frame, place], patches[clip, frame - 1, place]
                    out[clip, frame, place] = sum(abs(a - c) for a, c in zip(now, before, strict=True)) / p > limit
        return out
    kept = given["kept"]
    if case.function == "saved":
        return sum(not one for one in kept.flatten().tolist()) / kept.size
    out = np.zeros(kept.shape, np.int64)
    for clip in range(kept.shape[0]):
        for place in range(kept.shape[2]):
            for frame in range(kept.shape[1]):
                if kept[clip, frame, place]:
                    end = frame + 1
                    while end < kept.shape[1] and not kept[clip, end, place]:
                        end += 1
                    out[clip, frame, place] = end - frame
    return out


def first_dropped(given, out: np.ndarray) -> str | None:
    if out[:, 0].all():
        return None
    return (f"{int((~out[:, 0].astype(bool)).sum())} patches of frame 0 are dropped. There is no frame before it that "
            "could stand for them.")


def wrong_sums(given, out: np.ndarray) -> str | None:
    total, t = out.sum(axis=1), given["kept"].shape[1]
    if (total == t).all():
        return None
    return (f"the runs of a place add up to the {t} frames of the clip: every frame is in one run. Yours add up to "
            f"{int(total.min())} to {int(total.max())}.")


APART = "(patches[:, 1:] - patches[:, :-1]).abs().mean(dim=-1)"
RUN = "        run = torch.where(kept[:, frame], 0, run)\n"

MUTANTS = (
    Mutant("compared with frame 0", ((APART, "(patches[:, 1:] - patches[:, :1]).abs().mean(dim=-1)"),),
           "You compare with frame 0. A patch repeats when it looks like the frame *before* it."),
    Mutant("differences with their sign", ((APART, "(patches[:, 1:] - patches[:, :-1]).mean(dim=-1)"),),
           "Your differences cancel: brighter here and darker there is no change. Take the absolute value "
           "of each pixel."),
    Mutant("difference of the means", ((APART, "(patches[:, 1:] - patches[:, :-1]).mean(dim=-1).abs()"),),
           "You compare mean brightness. A stripe that moves inside a patch leaves it as it was: absolute value "
           "first, mean after."),
    Mutant("sum for mean", ((APART, "(patches[:, 1:] - patches[:, :-1]).abs().sum(dim=-1)"),),
           "You add the differences of all pixels up, so larger patches change more. It is the mean."),
    Mutant("squares", ((APART, "(patches[:, 1:] - patches[:, :-1]).square().mean(dim=-1)"),),
           "You take the mean of the squares. The threshold is one for absolute differences."),
    Mutant("largest pixel", ((APART, "(patches[:, 1:] - patches[:, :-1]).abs().amax(dim=-1)"),),
           "A single noisy pixel keeps your patch: you take the largest difference. It is the mean over the pixels."),
    Mutant("what repeats is kept", (("apart > threshold", "apart <= threshold"),),
           "You keep what repeats and drop what changes."),
    Mutant("at the threshold", (("apart > threshold", "apart >= threshold"),),
           "A change as large as the threshold is kept by you. Kept is what is *over* it."),
    Mutant("first frame dropped", (("first > 0", "first < 0"),),
           "You drop frame 0. There is nothing before it that could stand for its patches."),
    Mutant("last frame for first", (("torch.cat([first > 0, apart > threshold], dim=1)",
                                     "torch.cat([apart > threshold, first > 0], dim=1)"),),
           "Your mask is one frame early: the change from frame 0 to frame 1 belongs to frame 1."),
    Mutant("whole frames", (("apart > threshold]", "(apart > threshold).any(-1, keepdim=True).expand_as(apart)]"),),
           "You keep a whole frame as soon as one of its patches changes. Each place decides for itself."),
    Mutant("itself not counted", (("torch.where(kept[:, frame], run, 0)", "torch.where(kept[:, frame], run - 1, 0)"),),
           "Your runs are one short: the kept frame itself is part of its run."),
    Mutant("runs never end", ((RUN, ""),),
           "Your runs go on to the end of the clip. A run ends where the next patch of its place is kept."),
    Mutant("runs counted backwards", (("in reversed(range(kept.shape[1]))", "in range(kept.shape[1])"),),
           "You count the frames *before* a kept patch. Its run are the frames that follow and repeat it."),
    Mutant("length everywhere", (("torch.where(kept[:, frame], run, 0)", "run"),),
           "You give dropped patches a length, too. They have no token, so 0."),
    Mutant("share that is kept", (("return 1 - kept.float().mean().item()", "return kept.float().mean().item()"),),
           "This is the share that is kept. Asked for is what is saved."),
    Mutant("saved in per cent", (("return 1 - kept.float().mean().item()",
                                  "return 100 * (1 - kept.float().mean().item())"),),
           "This is in per cent. Asked for is a share from 0 to 1."),
    Mutant("number for share", (("return 1 - kept.float().mean().item()", "return float((~kept).sum().item())"),),
           "This is the number of dropped tokens. Divide by all of them."),
)


def changed_by_diff(patches, threshold):
    kept = torch.ones(patches.shape[:3], dtype=torch.bool)
    kept[:, 1:] = patches.diff(dim=1).abs().mean(-1) > threshold
    return kept


def lengths_by_next(kept):
    """The next kept frame of the place, or the end of the clip, less the own frame."""
    b, t, n = kept.shape
    frame = torch.arange(t)[None, :, None].expand(b, t, n)
    starts = torch.where(kept, frame, t)
    after = torch.cat([starts[:, 1:], torch.full((b, 1, n), t)], 1).flip(1).cummin(1).values.flip(1)
    return torch.where(kept, after - frame, 0)


def lengths_in_loops(kept):
    out = torch.zeros(kept.shape, dtype=torch.long)
    for clip in range(kept.shape[0]):
        for place in range(kept.shape[2]):
            start = 0
            for frame in range(kept.shape[1]):
                if kept[clip, frame, place]:
                    start = frame
                out[clip, start, place] += 1
    return out


def saved_by_counting(kept):
    return (kept.numel() - int(kept.sum())) / kept.numel()


STYLES = (
    Style("diff and cummin", {"changed": changed_by_diff, "run_lengths": lengths_by_next, "saved": saved_by_counting}),
    Style("loops", {"run_lengths": lengths_in_loops}),
)

EXERCISE = Exercise(
    id="06.4",
    title="Which patches repeat?",
    difficulty=2,
    minutes=11,
    points=20,
    why="the cheapest token is the one that is never made. In a clip of a resting camera most patches repeat.",
    objectives=("drop patches that repeat, before any model sees them", "keep for how long the others stay"),
    answer=(changed, run_lengths, saved),
    cases=cases,
    oracle=oracle,
    differentiable=False,
    properties=(Property("frame 0 is kept", "changed", first_dropped),
                Property("runs fill the clip", "run_lengths", wrong_sums)),
    hints=(
        "changed: frames 1 to t - 1 minus frames 0 to t - 2, absolute value, mean over the pixels, compare. Then put "
        "a frame of True in front.",
        "run_lengths: walk from the last frame to the first and count at each place how long ago the run began; where "
        "a patch is kept, write the count down and begin again at 0.",
        "for frame in reversed(range(t)): run = run + 1; length[:, frame] = torch.where(kept[:, frame], run, 0); run = "
        "torch.where(kept[:, frame], 0, run).",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
