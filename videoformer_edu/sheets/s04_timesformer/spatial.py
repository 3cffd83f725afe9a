"""04.2: attention inside each frame, with CLS in all of them."""

from __future__ import annotations

import numpy as np

from videoformer_edu.grading.spec import Case, Exercise, Property
from videoformer_edu.sheets import inputs as make
from videoformer_edu.sheets import oracles
from videoformer_edu.sheets.s04_timesformer.spatial_bank import MUTANTS, NAME, STYLES


def cases(rng: np.random.Generator) -> list[Case]:
    t, n, d, heads = 3, 10, 12, 4
    weights = make.attention(rng, NAME, d)
    same = np.repeat(make.tokens(rng, 5, 1, d), 7, axis=1)
    small = make.attention(rng, NAME, 10)
    axes, sequence = "(g, l, d)", "(b, 1 + t*n, d)"
    return [
        Case("five groups", "multi_head", {"x": make.tokens(rng, 5, 7, d), "weights": weights, "name": NAME,
                                           "heads": heads},
             "each group attends within itself", axes=axes, parts=({f"group {g}": np.s_[g:g + 1] for g in range(5)},)),
        Case("equal tokens", "multi_head", {"x": same, "weights": weights, "name": NAME, "heads": heads},
             "the average of equal values is that value, whatever the scores", axes=axes),
        Case("two heads of five channels", "multi_head",
             {"x": make.tokens(rng, 3, 9, 10), "weights": small, "name": NAME, "heads": 2},
             "any number of heads that divides d works", axes=axes),
        Case("two clips", "spatial_attention",
             {"x": make.tokens(rng, 2, 1 + t * n, d), "weights": weights, "t": t, "heads": heads},
             "each frame attends within itself, CLS is the mean of its copies", share=2, axes=sequence,
             parts=make.regions(2, t, n)),
        Case("one frame differs", "spatial_attention",
             {"x": make.twins(rng, t, n, d, changed=1), "weights": weights, "t": t, "heads": heads},
             "a new frame 1 changes CLS and nothing in the other frames", share=2, axes=sequence,
             parts=make.regions(2, t, n)),
        Case("a clip of one frame", "spatial_attention",
             {"x": make.tokens(rng, 2, 1 + 7, d), "weights": weights, "t": 1, "heads": heads},
             "with one frame it is the attention of an image "
             "model", axes=sequence, parts=make.regions(2, 1, 7)),
    ]


def oracle_spatial_attention(x: np.ndarray, weights: dict, t: int, heads: int) -> np.ndarray:
    """x `(b, 1 + t*n, d)` -> its update: frame by frame with a copy of CLS, the copies' updates averaged."""
    out = np.zeros(x.shape)
    n = (x.shape[1] - 1) // t
    for clip in range(len(x)):
        for frame in range(t):
            first = 1 + frame * n
            group = [x[clip, 0], *(x[clip, first + place] for place in range(n))]
            group = oracles.attention([token.astype(np.float64) for token in group], weights, NAME, heads)
            out[clip, 0] += group[0] / t
            for place in range(n):
                out[clip, first + place] = group[1 + place]
    return out


def oracle(case: Case) -> np.ndarray:
    x, weights = case.inputs["x"], case.inputs["weights"]
    if case.function == "spatial_attention":
        return oracle_spatial_attention(x, weights, case.inputs["t"], case.inputs["heads"])
    return np.array([oracles.attention(list(group.astype(np.float64)), weights, case.inputs["name"],
                                     case.inputs["heads"]) for group in x])


def not_an_average(inputs, out: np.ndarray) -> str | None:
    """Equal tokens have equal values; weights that sum to one leave them as they are."""
    weights, name, d = inputs["weights"], inputs["name"], inputs["x"].shape[-1]
    token = inputs["x"][0, 0].astype(np.float64)
    value = oracles.linear(token, weights, f"{name}.qkv")[2 * d:]
    if np.abs(out[0] - oracles.linear(value, weights, f"{name}.proj")).max() < 1e-4:
        return None
    return ("all tokens of a group are equal here, so attention, an average of their values, must give that same "
            "value (through the output projection). Yours does not: do the weights of each query sum to one over "
            "the keys, are the values the last third of qkv, and is proj applied?")


def frames_leak(inputs, out: np.ndarray) -> str | None:
    """The two clips differ in frame 1 only."""
    n = (inputs["x"].shape[1] - 1) // inputs["t"]
    for frame in (0, 2):
        rows = np.s_[1 + frame * n:1 + (frame + 1) * n]
        if np.abs(out[0, rows] - out[1, rows]).max() > 1e-5:
            return (f"two clips that differ only in frame 1 give different patches in frame {frame}: your groups "
                    "reach across frames. In spatial attention a group is one frame and its copy of CLS.")
    return None


def cls_is_blind(inputs, out: np.ndarray) -> str | None:
    if np.abs(out[0, 0] - out[1, 0]).max() > 1e-5:
        return None
    return ("two clips with different patches in frame 1 give the same CLS: your CLS does not see that frame. "
            "The logits are read from CLS, so the model would be blind to it.")


EXERCISE = Exercise(
    id="04.2",
    title="Spatial attention, with CLS in every frame",
    difficulty=3,
    minutes=15,
    points=30,
    why="CLS must see every frame or the logits do not depend on the video; the copy in each frame and the mean "
        "of the copies is how the published code lets it.",
    objectives=("write multi-head attention from its four tensors", "give each frame its own copy of CLS",
                "bring the copies back to one token"),
    functions={"multi_head": "x, weights, name, heads", "spatial_attention": "x, weights, t, heads"},
    cases=cases,
    oracle=oracle,
    properties=(
        Property("weights sum to one", "multi_head", not_an_average, ("equal tokens",)),
        Property("frames are separate", "spatial_attention", frames_leak, ("one frame differs",)),
        Property("CLS sees every frame", "spatial_attention", cls_is_blind, ("one frame differs",)),
    ),
    hints=(
        "multi_head: one linear map gives queries, keys and values side by side, (g, l, 3*d), in that order. "
        "Inside each third lie the heads, one after the other. spatial_attention: count the tokens of one group: "
        "1 + n.",
        "multi_head: (three, g, head, l, e) is the layout to aim for; then F.scaled_dot_product_attention, or a "
        "softmax over the last axis of q @ k.transpose(-2, -1) / e**0.5. spatial_attention: the groups are (b*t, "
        "1 + n, d), clip slowest, so clip 0's CLS has to stand t times in a row before clip 1's.",
        "CLS: x[:, :1].repeat_interleave(t, dim=0) gives (b*t, 1, d); concatenate it with the frames (b*t, n, d) "
        "on dim=1, attend, split again, then take the mean of the copies over t, not over b*t.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
