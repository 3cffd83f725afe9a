"""02.1: how many tokens a clip has, and which of its pixels are in none."""

from __future__ import annotations

import numpy as np

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style


def grid_of(frames, height, width, patch, tubelet):
    """Steps in time, rows and columns of tokens -> (t, h, w); what fills no box is dropped."""
    return frames // tubelet, height // patch, width // patch


def tokens_of(frames, height, width, patch, tubelet):
    """Tokens of the clip, without CLS."""
    t, h, w = grid_of(frames, height, width, patch, tubelet)
    return t * h * w


def unseen(frames, height, width, patch, tubelet):
    """Pixels of the whole clip (in one colour) that lie in no token."""
    seen = tokens_of(frames, height, width, patch, tubelet) * tubelet * patch * patch
    return frames * height * width - seen


def clip(frames: int, height: int, width: int, patch: int, tubelet: int) -> dict[str, int]:
    return {"frames": frames, "height": height, "width": width, "patch": patch, "tubelet": tubelet}


def cases(rng: np.random.Generator) -> list[Case]:
    frames, patch, tubelet = int(rng.integers(9, 15)), int(rng.integers(5, 8)), int(rng.integers(2, 5))
    height = patch * int(rng.integers(4, 7)) + int(rng.integers(1, patch))
    width = patch * int(rng.integers(8, 11)) + int(rng.integers(1, patch))
    odd = clip(frames, height, width, patch, tubelet)
    return [
        Case("a wide clip with remainders everywhere", "grid_of", clip(11, 29, 50, 4, 3),
             "three steps of three frames; two frames, one row and two columns of pixels are left over",
             axes="(t, h, w)"),
        Case("patches of single frames", "grid_of", clip(7, 24, 40, 8, 1), "a patch is a tubelet of one frame",
             axes="(t, h, w)"),
        Case("any clip", "grid_of", odd, "any size", axes="(t, h, w)"),
        Case("a clip shorter than a tubelet", "grid_of", clip(2, 20, 27, 8, 3), "not one box fits", axes="(t, h, w)"),
        Case("eight frames of 224 pixels", "tokens_of", clip(8, 224, 224, 16, 1), "1,568, as TimeSformer has them"),
        Case("thirty-two frames in tubelets of two", "tokens_of", clip(32, 224, 224, 16, 2),
             "3,136, as ViViT has them"),
        Case("tokens of any clip", "tokens_of", odd, "any size"),
        Case("no token at all", "tokens_of", clip(5, 7, 30, 8, 2), "a frame lower than a patch"),
        Case("one frame too many", "unseen", clip(9, 32, 48, 8, 2), "one whole frame that no token sees"),
        Case("edges alone", "unseen", clip(6, 30, 45, 8, 3), "the lower and the right edge of every frame"),
        Case("nothing left over", "unseen", clip(6, 24, 40, 8, 3), "the boxes fill the clip"),
        Case("unseen pixels of any clip", "unseen", odd, "frames and edges, each pixel once"),
    ]


def oracle(case: Case) -> tuple[int, ...] | int:
    """Lay box after box into the clip while it fits, and mark its pixels."""
    frames, height, width, patch, tubelet = case.inputs.values()
    starts = []
    for size, step in ((frames, tubelet), (height, patch), (width, patch)):
        along, at = [], 0
        while at + step <= size:
            along.append(at)
            at += step
        starts.append(along)
    if case.function == "grid_of":
        return tuple(map(len, starts))
    seen, boxes = np.zeros((frames, height, width), bool), 0
    for t in starts[0]:
        for y in starts[1]:
            for x in starts[2]:
                seen[t:t + tubelet, y:y + patch, x:x + patch] = True
                boxes += 1
    return boxes if case.function == "tokens_of" else int((~seen).sum())


def more_than_there_is(inputs, out: np.ndarray) -> str | None:
    everything = inputs["frames"] * inputs["height"] * inputs["width"]
    if 0 <= int(out) <= everything:
        return None
    return f"the clip has {everything:,} pixels, and you say that {int(out):,} of them are in no token."


GRID = "return frames // tubelet, height // patch, width // patch"
UNSEEN = "return frames * height * width - seen"

MUTANTS = (
    Mutant("tubelet ignored", (("frames // tubelet", "frames"),),
           "You count a step for every frame. A tubelet is several frames deep, and they share one step in time."),
    Mutant("rounded up",
           (("frames // tubelet, height // patch, width // patch",
             "-(-frames // tubelet), -(-height // patch), -(-width // patch)"),),
           "You rounded up: your last boxes reach over the end of the clip. A convolution without padding drops what "
           "does not fill a box, so round down."),
    Mutant("height and width exchanged", (("height // patch, width // patch", "width // patch, height // patch"),),
           "Rows and columns have changed places. Rows are counted down the height, columns along the width; the order "
           "is (t, h, w)."),
    Mutant("area for side", (("height // patch, width // patch", "height // patch**2, width // patch**2"),),
           "You divided each side by the area of a patch. Along one axis a patch takes `patch` pixels; the square "
           "comes in when rows and columns are multiplied."),
    Mutant("tubelets in space, too", ((GRID, "return frames // tubelet, height // (patch * tubelet), width // patch"),),
           "You made the boxes taller by the depth of a tubelet. A tubelet is deep in time alone; in space it is one "
           "patch."),
    Mutant("boxes that overlap",
           ((GRID, "return frames - tubelet + 1, height - patch + 1, width - patch + 1"),),
           "You let the boxes slide by one pixel or frame, as an ordinary convolution does. Tokens do not overlap: the "
           "step is as large as the box."),
    Mutant("square frames assumed", (("width // patch", "height // patch"),),
           "You took the height for both sides. This clip is wider than it is high: columns come from the width."),
    Mutant("rounded at the end",
           (("    t, h, w = grid_of(frames, height, width, patch, tubelet)\n    return t * h * w",
             "    return frames * height * width // (tubelet * patch * patch)"),),
           "You divided the pixels of the clip by the pixels of a box, and rounded once. Remainders cannot be put "
           "together from different edges: round down along each axis, then multiply."),
    Mutant("CLS counted", (("return t * h * w", "return t * h * w + 1"),),
           "Your count is one too large everywhere: CLS is in it. It is asked for the tokens of the clip alone."),
    Mutant("added for multiplied", (("return t * h * w", "return t + h * w"),),
           "You added the steps to the patches of a frame. Every step has all the patches: t · h · w."),
    Mutant("edges forgotten",
           ((UNSEEN, "return frames % tubelet * height * width + 0 * seen"),),
           "You counted the frames that are left over and no edges. Every frame that is seen loses its lower rows and "
           "right columns, where the patch does not divide the size."),
    Mutant("frames forgotten",
           ((UNSEEN, "return frames * height * width - seen // (frames // tubelet * tubelet) * frames"),),
           "You counted the edges and not the frames that are left over. Frames that fill no tubelet are never seen."),
    Mutant("corners counted twice",
           ((UNSEEN, "return (frames % tubelet * height * width + height % patch * frames * width"
                     " + width % patch * frames * height + 0 * seen)"),),
           "You added the left-over frames, rows and columns. Where two of them meet, a pixel is counted twice; take "
           "what is seen away from the whole instead."),
    Mutant("tokens for pixels", (("* tubelet * patch * patch", ""),),
           "You took the number of tokens away from the number of pixels. A token stands for tubelet · patch · patch "
           "pixels."),
    Mutant("what is seen", ((UNSEEN, "return seen"),),
           "This is the number of pixels that tokens see. Asked for are the others."),
)


def grid_by_division(frames, height, width, patch, tubelet):
    return [int(size / step) for size, step in ((frames, tubelet), (height, patch), (width, patch))]


def tokens_by_counting(frames, height, width, patch, tubelet):
    return sum(1 for _ in range(frames // tubelet) for _ in range(height // patch) for _ in range(width // patch))


def unseen_by_parts(frames, height, width, patch, tubelet):
    late = frames % tubelet * height * width
    inside = (height - height % patch) * (width - width % patch)
    return late + (frames - frames % tubelet) * (height * width - inside)


STYLES = (
    Style("counted", {"grid_of": grid_by_division, "tokens_of": tokens_by_counting, "unseen": unseen_by_parts}),
    Style("floats that are whole", {"tokens_of": lambda frames, height, width, patch, tubelet: float(
        tokens_by_counting(frames, height, width, patch, tubelet))}),
    Style("the remainders taken off first", edits=((GRID, (
        "frames, height, width = frames - frames % tubelet, height - height % patch, width - width % patch\n"
        "    return frames // tubelet, height // patch, width // patch")),)),
)

EXERCISE = Exercise(
    id="02.1",
    title="Tokens, and pixels that nobody sees",
    difficulty=1,
    minutes=10,
    points=20,
    why="every bill begins with the number of tokens, and a remainder is lost without a warning.",
    objectives=("count the tokens of any clip, with patches and with tubelets",
                "say how much of a clip a model never sees"),
    answer=(grid_of, tokens_of, unseen),
    cases=cases,
    oracle=oracle,
    properties=(Property("no more than there is", "unseen", more_than_there_is),),
    hints=(
        "One axis at a time: how many boxes fit, side by side, before the next one would reach over the end?",
        "Along time a box takes `tubelet` frames, along both sides of a frame `patch` pixels. Python's `//` rounds "
        "down. The number of tokens is the product of the three.",
        "Unseen: all pixels of the clip are frames · height · width. A token sees tubelet · patch · patch of them, and "
        "no two tokens see the same.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
