"""05.1: tubelets without a convolution, and how an image's filter becomes a tubelet's."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make


def tubelet_embed(video, weight, bias):
    """video (b, c, t, h, w), weight (d, c, s, p, q), bias (d,) -> tokens (b, l, d), time slowest.

    A token is a weighted sum of the pixels of one box of s frames, p rows and q columns; no convolution.
    """
    s, p, q = weight.shape[2:]
    boxes = rearrange(video, "b c (t s) (h p) (w q) -> b (t h w) (c s p q)", s=s, p=p, q=q)
    return boxes @ weight.flatten(1).T + bias


def inflate_central(weight, s):
    """An image's filter (d, c, p, q) -> (d, c, s, p, q): only the frame s // 2 of a tubelet is looked at."""
    tubelet = weight.new_zeros(*weight.shape[:2], s, *weight.shape[2:])
    tubelet[:, :, s // 2] = weight
    return tubelet


def inflate_average(weight, s):
    """An image's filter (d, c, p, q) -> (d, c, s, p, q): all frames of a tubelet are looked at, on average."""
    return weight[:, :, None].repeat(1, 1, s, 1, 1) / s


def filters(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Filters whose answers are about as large as a pixel."""
    return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def embedding(rng: np.random.Generator, b: int, c: int, grid: tuple, box: tuple, d: int) -> dict:
    video = make.tokens(rng, b, c, *(size * step for size, step in zip(grid, box, strict=True)))
    return {"video": video, "weight": filters(rng, d, c, *box), "bias": make.tokens(rng, d)}


def cases(rng: np.random.Generator) -> list[Case]:
    one = embedding(rng, 2, 2, (3, 2, 4), (2, 3, 2), 5)
    step, row, column = (int(rng.integers(size)) for size in (3, 2, 4))
    one["video"][1] = one["video"][0]
    one["video"][1, :, 2 * step:2 * step + 2, 3 * row:3 * row + 3, 2 * column:2 * column + 2] += 1
    c, s, p, q, d = (int(rng.integers(low, high)) for low, high in ((2, 4), (3, 5), (2, 4), (4, 6), (6, 9)))
    tokens, axes = "(b, l, d)", "(d, c, s, p, q)"
    return [
        Case("one box differs", "tubelet_embed", one, "a token knows its own box and nothing else", axes=tokens),
        Case("frames alone", "tubelet_embed", embedding(rng, 1, 1, (3, 2, 3), (1, 2, 3), 4),
             "tubelets of one frame are patches", axes=tokens),
        Case("one channel", "tubelet_embed", embedding(rng, 2, 2, (1, 2, 3), (3, 1, 2), 1),
             "even a width of 1 stays an axis", axes=tokens),
        Case("boxes of unequal sides", "tubelet_embed",
             embedding(rng, 2, c, (2, 3, int(rng.integers(4, 6))), (s, p, q), d),
             "each axis is cut by its own length", axes=tokens, share=2),
        Case("central, a still clip", "inflate_central", {"weight": filters(rng, d, c, 2, 3), "s": 4},
             "over the frames the filters add up to the image's", axes=axes),
        Case("central, an odd length", "inflate_central", {"weight": filters(rng, 3, 2, 4, 1), "s": 5},
             "the middle of five frames is frame 2", axes=axes),
        Case("central, two frames", "inflate_central", {"weight": filters(rng, 4, 1, 3, 2), "s": 2},
             "of two frames the second is the central one", axes=axes),
        Case("central, one frame", "inflate_central", {"weight": filters(rng, 1, 1, 2, 3), "s": 1},
             "one frame is the image's filter, on five axes", axes=axes),
        Case("average, one frame", "inflate_average", {"weight": filters(rng, 1, 1, 3, 2), "s": 1},
             "one frame is the image's filter, on five axes", axes=axes),
        Case("average, a still clip", "inflate_average", {"weight": filters(rng, 3, c, 3, 2), "s": 3},
             "over the frames the filters add up to the image's", axes=axes),
        Case("average, another length", "inflate_average",
             {"weight": filters(rng, d, 2, 2, q), "s": int(rng.integers(4, 7))},
             "each frame has the same share", axes=axes),
    ]


def oracle(case: Case) -> np.ndarray:
    given = case.inputs
    if case.function != "tubelet_embed":
        d, c, p, q = given["weight"].shape
        out = np.zeros((d, c, given["s"], p, q))
        for frame in range(given["s"]):
            if case.function == "inflate_average":
                out[:, :, frame] = given["weight"] / given["s"]
            elif frame == given["s"] // 2:
                out[:, :, frame] = given["weight"]
        return out
    video, weight = given["video"], given["weight"].astype(np.float64)
    d, _, s, p, q = weight.shape
    t, h, w = video.shape[2] // s, video.shape[3] // p, video.shape[4] // q
    out = np.zeros((len(video), t * h * w, d))
    for clip in range(len(video)):
        for number in range(t * h * w):
            step, row, column = number // (h * w), number // w % h, number % w
            box = video[clip, :, step * s:step * s + s, row * p:row * p + p, column * q:column * q + q]
            for channel in range(d):
                out[clip, number, channel] = (box * weight[channel]).sum() + given["bias"][channel]
    return out


def other_boxes(inputs, out: np.ndarray) -> str | None:
    """The two clips differ in one box."""
    s, p, q = inputs["weight"].shape[2:]
    changed = np.argwhere(inputs["video"][0] != inputs["video"][1])[:, 1:] // (s, p, q)
    step, row, column = changed[0].tolist()
    h, w = inputs["video"].shape[3] // p, inputs["video"].shape[4] // q
    wanted, moved = (step * h + row) * w + column, np.flatnonzero(np.abs(out[0] - out[1]).max(axis=-1) > 1e-4).tolist()
    if moved == [wanted]:
        return None
    return (f"two clips differ only in the box of step {step}, row {row}, column {column}, which is token {wanted} on "
            f"a grid of {inputs['video'].shape[2] // s} x {h} x {w}. In yours the tokens {moved} differ.")


def not_still(inputs, out: np.ndarray) -> str | None:
    """On a clip that stands still the tubelet's filter gives what its sum over the frames gives."""
    if np.abs(out.sum(axis=2) - inputs["weight"]).max() < 1e-5:
        return None
    ratio = float((out.sum(axis=2) * inputs["weight"]).sum() / (inputs["weight"] ** 2).sum())
    return (f"on a still clip the image model's filter gives 1 where yours gives about {ratio:.2f}: over the frames, "
            "the filters of a tubelet have to add up to the image's.")


CUT = '"b c (t s) (h p) (w q) -> b (t h w) (c s p q)"'
CENTRE = "tubelet[:, :, s // 2] = weight"
SPREAD = "weight[:, :, None].repeat(1, 1, s, 1, 1) / s"


def cut(new: str) -> tuple[tuple[str, str], ...]:
    return ((CUT, f'"{new}"'),)


MUTANTS = (
    Mutant("time fastest", cut("b c (t s) (h p) (w q) -> b (h w t) (c s p q)"),
           "Your tokens run (h w t), time fastest. In the whole course, and in the published ViViT, they run (t h w): "
           "all boxes of the first step, row by row, then the next step."),
    Mutant("columns before rows", cut("b c (t s) (h p) (w q) -> b (t w h) (c s p q)"),
           "Within a step your tokens run column by column, (t w h). They run row by row: (t h w)."),
    Mutant("frames dealt out", cut("b c (s t) (h p) (w q) -> b (t h w) (c s p q)"),
           "You cut time as (s t), so a tubelet holds every t-th frame of the clip. Its s frames follow one another: "
           "(t s), the step is the slow factor."),
    Mutant("pixels dealt out", cut("b c (t s) (p h) (q w) -> b (t h w) (c s p q)"),
           "You cut rows and columns as (p h) and (q w), so a box holds pixels from all over the picture. Neighbours "
           "belong together: (h p) and (w q)."),
    Mutant("frames before colours", cut("b c (t s) (h p) (w q) -> b (t h w) (s c p q)"),
           "You flattened a box as (s c p q), but the filters lie as (c, s, p, q): colour first. The sizes agree, and "
           "each pixel meets another pixel's weight."),
    Mutant("colours last", cut("b c (t s) (h p) (w q) -> b (t h w) (s p q c)"),
           "You flattened a box with its colours last, (s p q c), as pictures lie in a file. The filters lie as "
           "(c, s, p, q): colour first."),
    Mutant("bias missing", ((" + bias", ""),),
           "The bias is missing: each channel of a token is a weighted sum plus its own constant."),
    Mutant("filters turned round", (("weight.flatten(1)", "weight.flip(2, 3, 4).flatten(1)"),),
           "You turned the filters round, as a convolution is written in mathematics. What deep learning calls a "
           "convolution does not turn them: the first weight meets the first pixel."),
    Mutant("mean for sum", (("weight.flatten(1).T", "weight.flatten(1).T / weight[0].numel()"),),
           "You took the mean over the pixels of a box. A linear map is their weighted sum."),
    Mutant("one filter for all frames",
           (("weight.flatten(1).T", "weight.mean(2, keepdim=True).expand_as(weight).flatten(1).T"),),
           "Your filters are the same in all frames of a tubelet, so it cannot tell earlier from later. Each of the s "
           "frames has weights of its own."),
    Mutant("central is the first", ((CENTRE, "tubelet[:, :, 0] = weight"),),
           "You put the filter into frame 0. The published code takes the central frame, s // 2."),
    Mutant("central is rounded down", ((CENTRE, "tubelet[:, :, (s - 1) // 2] = weight"),),
           "With an even number of frames you took the earlier of the two in the middle. The published code takes "
           "s // 2, which of two frames is the second."),
    Mutant("central in all frames", ((CENTRE, "tubelet[:] = weight[:, :, None]"),),
           "You put the whole filter into every frame. Central-frame inflation leaves all frames at zero but one, s "
           "// 2."),
    Mutant("one frame without its axis", (("    return tubelet\n", "    return weight if s == 1 else tubelet\n"),
                                          (f"return {SPREAD}", f"return weight if s == 1 else {SPREAD}")),
           "For s = 1 you return the image's filter as it is, on four axes. A tubelet's has five: (d, c, 1, p, q)."),
    Mutant("average not divided", ((SPREAD, "weight[:, :, None].repeat(1, 1, s, 1, 1)"),),
           "You copied the filter into every frame and did not divide: on a still clip each token comes out s times "
           "too large, and nothing behind it was trained for that. Divide by s."),
    Mutant("average divided by the root", ((SPREAD, SPREAD.replace("/ s", "/ s**0.5")),),
           "You divided by the square root of s. On a still clip the s frames agree, so their answers add up s-fold, "
           "not like independent noise: divide by s."),
)


def by_unfold(video, weight, bias):
    s, p, q = weight.shape[2:]
    boxes = video.unfold(2, s, s).unfold(3, p, p).unfold(4, q, q)  # (b, c, t, h, w, s, p, q)
    return torch.einsum("bcthwspq,dcspq->bthwd", boxes, weight).flatten(1, 3) + bias


def by_reshape(video, weight, bias):
    b, c, t, h, w = video.shape
    d, _, s, p, q = weight.shape
    boxes = video.reshape(b, c, t // s, s, h // p, p, w // q, q).permute(0, 2, 4, 6, 1, 3, 5, 7)
    return F.linear(boxes.flatten(4).flatten(1, 3), weight.reshape(d, -1), bias)


def by_a_sum_over_frames(video, weight, bias):
    s, p, q = weight.shape[2:]
    frames = rearrange(video, "b c (t s) (h p) (w q) -> s b (t h w) (c p q)", s=s, p=p, q=q)
    return sum(F.linear(frames[k], weight[:, :, k].flatten(1)) for k in range(s)) + bias


def central_by_padding(weight, s):
    return torch.stack([weight if k == s // 2 else torch.zeros_like(weight) for k in range(s)], dim=2)


def average_by_expand(weight, s):
    return (weight / s).unsqueeze(2).expand(-1, -1, s, -1, -1)


STYLES = (
    Style("unfold and einsum", {"tubelet_embed": by_unfold, "inflate_central": central_by_padding}),
    Style("reshape and permute", {"tubelet_embed": by_reshape, "inflate_average": average_by_expand}),
    Style("frame by frame", {"tubelet_embed": by_a_sum_over_frames}),
)

EXERCISE = Exercise(
    id="05.1",
    title="Tubelets, and an image's filter inflated",
    difficulty=2,
    minutes=12,
    points=25,
    why="a tubelet is the first place where time can come in, and its filter decides whether an image model still "
        "knows what it knew.",
    objectives=("cut a clip into boxes and project each by one linear map",
                "inflate an image's filter so that a still clip gives the image's tokens"),
    answer=(tubelet_embed, inflate_central, inflate_average),
    cases=cases,
    oracle=oracle,
    properties=(
        Property("a token knows its own box", "tubelet_embed", other_boxes, ("one box differs",)),
        Property("a still clip is the picture", "inflate_central", not_still),
        Property("a still clip is the picture", "inflate_average", not_still),
    ),
    hints=(
        "How many boxes are there along each axis, and how many pixels are in one? Those are the two axes that tokens "
        "need: (b, boxes, pixels of a box). A filter is a list of weights for the pixels of one box, in the same "
        "order.",
        "Take the axes apart first: t is (t s), h is (h p), w is (w q), the box number slow and the place inside it "
        "fast. Then bring the three box numbers together, in the order (t h w), and c with the three places inside, "
        "in the order of the filters. For inflation think of a still clip: what do the s frames of a tubelet add up "
        "to?",
        "rearrange(video, 'b c (t s) (h p) (w q) -> b (t h w) (c s p q)', s=s, p=p, q=q), then a matrix product with "
        "weight.flatten(1).T. Central: zeros, and the filter at [:, :, s // 2]. Average: the filter s times, divided "
        "by s.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
