"""04.2: attention inside each frame, with CLS in all of them."""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make
from videoformer_edu.sheets import oracles
from videoformer_edu.sheets.s04_timesformer.multi_head import (
    MULTI_HEAD_MUTANTS,
    NAME,
    by_einsum,
    fused,
    linear,
    multi_head,
    not_an_average,
    off_at_large_scores,
    oracle_multi_head,
    torch_module,
)
from videoformer_edu.sheets.s04_timesformer.multi_head import cases as multi_head_cases


def spatial_attention(x, weights, t, heads):
    """x (b, 1 + t*n, d), CLS first -> its update, the same shape."""
    cls, patches = x[:, :1], x[:, 1:]
    copies = cls.repeat_interleave(t, dim=0)  # (b*t, 1, d)
    frames = torch.cat([copies, rearrange(patches, "b (t n) d -> (b t) n d", t=t)], dim=1)  # (b*t, 1 + n, d)
    frames = multi_head(frames, weights, "spatial_attention.attention", heads)
    cls = rearrange(frames[:, :1], "(b t) one d -> b t one d", t=t).mean(dim=1)  # (b, 1, d)
    return torch.cat([cls, rearrange(frames[:, 1:], "(b t) n d -> b (t n) d", t=t)], dim=1)


def cases(rng: np.random.Generator) -> list[Case]:
    def case(label: str, sees: str, sizes: tuple, twins: bool = False, share: int = 1, **more) -> Case:
        b, t, n, heads, e = make.sizes(rng, *sizes)
        d = heads * e
        weights = make.attention(rng, NAME, d) | make.attention(rng, "temporal_attention.attention", d)
        x = make.twins(rng, t, n, d, changed=int(rng.integers(t))) if twins else make.tokens(rng, b, 1 + t * n, d)
        inputs = {"x": x, "weights": make.shuffled(rng, weights), "t": t, "heads": heads}
        return Case(label, "spatial_attention", inputs, sees, share, "(b, 1 + t*n, d)", make.regions(len(x), t, n),
                    **more)

    several = case("several clips", "each frame attends within itself, CLS is the mean of its copies",
                   ((2, 3), (3, 4), (5, 6), (2, 3, 4), (1, 4, 7)), share=2, gradient=True)
    again = several.inputs | {"x": make.tokens(rng, *several.inputs["x"].shape)}
    return multi_head_cases(rng) + [
        case("one frame differs", "another frame changes CLS and nothing in the other frames",
             ((2,), (3, 4), (5, 7), (3, 4), (1, 6)), twins=True, share=2),
        several,
        Case("other clips, as many", "spatial_attention", again, "every call is a new one", 1, several.axes,
             several.parts),
        case("one clip", "one clip goes as several do", ((1,), (4, 5), (2, 3), (2, 3), (7,))),
        case("one frame", "with one frame it is the attention of an image model",
             ((2, 3), (1,), (7, 9), (2, 4), (3, 5))),
        case("one patch a frame", "a group may be CLS and one patch", ((3, 4), (5, 6), (1,), (2, 3, 4), (2, 7))),
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
    right = oracle_multi_head if case.function == "multi_head" else oracle_spatial_attention
    return right(**case.inputs)


def frames_leak(inputs, out: np.ndarray) -> str | None:
    """The two clips differ in one frame only."""
    x, t = inputs["x"], inputs["t"]
    n = (x.shape[1] - 1) // t
    frames = {frame: np.s_[1 + frame * n:1 + (frame + 1) * n] for frame in range(t)}
    (changed,) = (frame for frame, rows in frames.items() if (x[0, rows] != x[1, rows]).any())
    for frame, rows in frames.items():
        if frame != changed and np.abs(out[0, rows] - out[1, rows]).max() > 1e-5:
            return (f"two clips that differ only in frame {changed} give different patches in frame {frame}. In "
                    "spatial attention a patch depends on CLS and on the patches of its own frame, on nothing else.")
    return None


def cls_is_blind(inputs, out: np.ndarray) -> str | None:
    if np.abs(out[0, 0] - out[1, 0]).max() > 1e-5:
        return None
    return ("two clips that differ in the patches of one frame give the same CLS: your CLS does not see that frame. "
            "The logits are read from CLS, so the model would be blind to it.")


MEAN = 'rearrange(frames[:, :1], "(b t) one d -> b t one d", t=t).mean(dim=1)'
WHOLE = 'frames = multi_head(frames, weights, "spatial_attention.attention", heads)'
CLS_LEFT_OUT = ((WHOLE, 'frames = torch.cat([0 * copies, multi_head(frames[:, 1:], weights, '
                        '"spatial_attention.attention", heads)], dim=1)'),)

MUTANTS = (
    *MULTI_HEAD_MUTANTS,
    Mutant("CLS left out", CLS_LEFT_OUT,
           "CLS takes no part in your attention, so it never sees a patch. The logits are read from CLS: such a "
           "model gives the same logits for every video, and trains to the class frequencies at best. Put a copy of "
           "CLS before the patches of each frame."),
    Mutant("CLS passed through", ((WHOLE, CLS_LEFT_OUT[0][1].replace("0 * copies", "copies")),),
           "You carry CLS around the attention unchanged. It never sees a patch, and the function should return an "
           "update: the residual adds the old CLS later. Put a copy of CLS before the patches of each frame."),
    Mutant("repeat for repeat_interleave", (("cls.repeat_interleave(t, dim=0)", "cls.repeat(t, 1, 1)"),),
           "Your copies of CLS lie in the order clip 0, clip 1, clip 0, clip 1, ... (repeat), but the frames lie "
           "with the clip slowest: all frames of clip 0 first. So frames meet another clip's CLS. Use "
           "repeat_interleave(t, dim=0), or expand to (b, t, 1, d) and flatten."),
    Mutant("frames before clips",
           (('rearrange(patches, "b (t n) d -> (b t) n d", t=t)', 'rearrange(patches, "b (t n) d -> (t b) n d", t=t)'),
            ('rearrange(frames[:, 1:], "(b t) n d -> b (t n) d", t=t)',
             'rearrange(frames[:, 1:], "(t b) n d -> b (t n) d", t=t)')),
           "Your frames lie as (t b), all clips of frame 0 first, and the copies of CLS as (b t): most frames meet "
           "another clip's CLS. Keep the clip slowest in both: (b t)."),
    Mutant("CLS at the end",
           (("torch.cat([cls, rearrange(frames[:, 1:]", "torch.cat([rearrange(frames[:, 1:]"),
            ('b (t n) d", t=t)], dim=1)\n', 'b (t n) d", t=t), cls], dim=1)\n')),
           "CLS comes last in your result. It is index 0, before all patches."),
    Mutant("only the last copy", ((MEAN, "frames[t - 1::t, :1]"),),
           "You kept the copy of CLS from the last frame and dropped the others: CLS sees one frame. Take the mean "
           "over the t copies."),
    Mutant("copies summed", ((".mean(dim=1)", ".sum(dim=1)"),),
           "You added the t copies of CLS up. Their mean keeps the update as large as a patch's, however long the "
           "clip is."),
    Mutant("only the copy of frame 0", ((MEAN, "frames[::t, :1]"),),
           "You kept the copy of CLS from frame 0 and dropped the others: CLS sees one frame. Take the mean over "
           "the t copies."),
    Mutant("first b rows", ((MEAN, "frames[:len(x), :1]"),),
           "You kept the first b rows as CLS. On a (b t) axis these are the first frames of clip 0, not one row for "
           "each clip. Take (b·t) apart into (b, t), then the mean over t."),
    Mutant("mean over all clips", ((MEAN, "frames[:, :1].mean(dim=0, keepdim=True).expand(len(x), 1, -1)"),),
           "You averaged the copies of CLS over frames and clips together, so every clip gets the same CLS. Take "
           "(b·t) apart into (b, t) and average over t alone."),
    Mutant("CLS over the whole clip",
           ((MEAN, 'multi_head(x, weights, "spatial_attention.attention", heads)[:, :1]'),),
           "Your CLS attends to all frames in one softmax. In divided attention a copy of CLS attends inside each "
           "frame, and the copies' results are averaged: t softmaxes, not one."),
    Mutant("joint attention",
           (("cls, patches = x[:, :1], x[:, 1:]",
             'return multi_head(x, weights, "spatial_attention.attention", heads)\n    cls, patches = x[:, :1], '
             "x[:, 1:]"),),
           "Every token attends to the whole clip: that is joint attention, with its (t·n)² pairs. Group the tokens "
           "by frame first."),
    Mutant("CLS is no key",
           ((WHOLE, 'frames = torch.cat([multi_head(frames, weights, "spatial_attention.attention", heads)[:, :1], '
                    'multi_head(frames[:, 1:], weights, "spatial_attention.attention", heads)], dim=1)'),),
           "CLS looks at the patches, but your patches do not look at CLS. CLS belongs to the group: it is query "
           "and key in each frame."),
    Mutant("tubes for frames",
           (("cls, patches = x[:, :1], x[:, 1:]", "cls, patches, t = x[:, :1], x[:, 1:], (x.shape[1] - 1) // t"),
            ('rearrange(patches, "b (t n) d -> (b t) n d", t=t)', 'rearrange(patches, "b (n t) d -> (b t) n d", t=t)'),
            ('rearrange(frames[:, 1:], "(b t) n d -> b (t n) d", t=t)',
             'rearrange(frames[:, 1:], "(b t) n d -> b (n t) d", t=t)')),
           "You grouped by place, which is attention along time. A spatial group is one frame: (b·t, 1 + n, d)."),
    Mutant("residual inside", (("return torch.cat([cls, rearrange", "return x + torch.cat([cls, rearrange"),),
           "You returned x plus the update. The function returns the update alone; the block adds the residual, and "
           "would then add it twice."),
)


def by_expand(x, weights, t, heads):
    b, s, d = x.shape
    n = (s - 1) // t
    copies = x[:, None, :1].expand(b, t, 1, d)
    frames = torch.cat([copies, x[:, 1:].reshape(b, t, n, d)], dim=2).flatten(0, 1)  # (b*t, 1 + n, d)
    out = fused(frames, weights, NAME, heads).unflatten(0, (b, t))
    return torch.cat([out[:, :, 0].mean(1, keepdim=True), out[:, :, 1:].flatten(1, 2)], dim=1)


def frame_by_frame(x, weights, t, heads):
    cls, frames = x[:, :1], x[:, 1:].chunk(t, dim=1)
    out = [torch_module(torch.cat([cls, frame], dim=1), weights, NAME, heads) for frame in frames]
    return torch.cat([sum(f[:, :1] for f in out) / t, *(f[:, 1:] for f in out)], dim=1)


STYLES = (
    Style("fused attention, expand", {"multi_head": fused, "spatial_attention": by_expand}),
    Style("einsum, frame by frame", {"multi_head": by_einsum, "spatial_attention": frame_by_frame}),
    Style("nn.MultiheadAttention", {"multi_head": torch_module}),
)

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
    answer=(multi_head, spatial_attention),
    given=(linear,),
    cases=cases,
    oracle=oracle,
    properties=(
        Property("weights sum to one", "multi_head", not_an_average, ("equal tokens",)),
        Property("large scores", "multi_head", off_at_large_scores, ("scores of hundreds",)),
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
