"""03.3: two regroupings around one attention: lines of an axis, and heads that share time and space."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs, oracles


def linear(x, weights, name):
    """One linear map of the dict, on the last axis (given)."""
    return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def attend(q, k, v):
    """(..., l, e) each -> (..., l, e): every token looks at all l of its group (given)."""
    return (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(dim=-1) @ v


def axial_attention(x, weights, heads, t, h, w, axis):
    """x (b, t*h*w, d) -> the same shape: every token looks along one axis, "t", "h" or "w", and l x l never exists."""
    lines = {"t": "(h w) t", "h": "(t w) h", "w": "(t h) w"}[axis]
    size = {"t": t, "h": h, "w": w}
    made = linear(x, weights, "attention.qkv")  # (b, t*h*w, 3*d)
    q, k, v = rearrange(made, f"b (t h w) (three head e) -> three b head {lines} e", three=3, head=heads, **size)
    mixed = attend(q, k, v)  # (b, head, lines, tokens of a line, e)
    mixed = rearrange(mixed, f"b head {lines} e -> b (t h w) (head e)", **size)
    return linear(mixed, weights, "attention.proj")


def factorised_heads(x, weights, heads, t):
    """x (b, t*n, d) -> the same shape: the first half of the heads looks along time, the second across space."""
    qkv = linear(x, weights, "attention.qkv")  # (b, t*n, 3*d)
    parts = rearrange(qkv, "b (t n) (three half head e) -> half three b head t n e", t=t, three=3, half=2,
                      head=heads // 2)
    time = attend(*parts[0].transpose(-3, -2)).transpose(-3, -2)  # tubes: t stands before e, and back again
    space = attend(*parts[1])  # (b, head/2, t, n, e): frames as they are
    both = torch.stack([time, space], dim=1)  # (b, half, head/2, t, n, e)
    joined = rearrange(both, "b half head t n e -> b (t n) (half head e)")
    return linear(joined, weights, "attention.proj")


def cases(rng: np.random.Generator) -> list[Case]:
    def clip(b: int, l: int, heads: int, e: int) -> dict:
        d = heads * e
        return {"x": inputs.tokens(rng, b, l, d), "weights": inputs.attention(rng, "attention", d), "heads": heads}

    t, h, w = map(int, rng.permutation([2, 3, 4]))
    n = int(rng.choice([3, 5]))
    axes = "clip, token, channel"
    one_line = clip(1, 5, 3, 2) | {"t": 1, "h": 5, "w": 1, "axis": "h"}
    alone = clip(2, 6, 2, 3) | {"t": 1, "h": 2, "w": 3, "axis": "t"}
    return [
        Case("nobody to look at", "axial_attention", alone, "in a clip of one frame, along t, a token has itself alone",
             axes=axes),
        Case("one column", "axial_attention", one_line, "where the clip is one line, this is ordinary attention",
             axes=axes),
        *(Case(f"along {axis}", "axial_attention",
               clip(2 if axis != "h" else 3, t * h * w, heads, e) | {"t": t, "h": h, "w": w, "axis": axis},
               f"lines along {axis}", axes=axes, gradient=axis == "h")
          for axis, heads, e in (("t", 1, 4), ("h", 2, 3), ("w", 3, 2))),
        Case("a single frame", "factorised_heads", clip(2, 4, 2, 3) | {"t": 1},
             "without other frames the first half sees itself, the second the picture", axes=axes),
        Case("a single place", "factorised_heads", clip(1, 5, 2, 2) | {"t": 5},
             "without other places the first half sees the tube, the second itself", axes=axes),
        Case("four heads", "factorised_heads", clip(3, 4 * n, 4, 3) | {"t": 4}, "two heads in time, two in space",
             axes=axes),
        Case("six heads", "factorised_heads", clip(2, 3 * n, 6, 1) | {"t": 3}, "three heads in time, three in space",
             axes=axes, gradient=True),
    ]


def oracle(case: Case) -> np.ndarray:
    """Head by head and token by token: who is in my line, my tube, my frame?"""
    given = dict(case.inputs)
    x, weights, heads, t = given["x"].astype(np.float64), given["weights"], given["heads"], given["t"]
    if case.function == "axial_attention":
        h, w, axis = given["h"], given["w"], given["axis"]
    else:
        h, w, axis = 1, x.shape[1] // t, None
    places = [(i, j, k) for i in range(t) for j in range(h) for k in range(w)]

    def group(q: int, head: int) -> list[int]:
        if axis:
            fixed = [i for i in range(3) if "thw"[i] != axis]
        else:
            fixed = [1, 2] if head < heads // 2 else [0]
        return [k for k in range(len(places)) if all(places[q][i] == places[k][i] for i in fixed)]

    d = x.shape[2]
    e = d // heads
    out = np.zeros_like(x)
    for clip in range(len(x)):
        made = [oracles.linear(token, weights, "attention.qkv") for token in x[clip]]
        for q in range(len(places)):
            mixed = np.zeros(d)
            for head in range(heads):
                own = slice(head * e, head * e + e)
                keys = group(q, head)
                scores = np.array([made[q][:d][own] @ made[k][d:2 * d][own] / np.sqrt(e) for k in keys])
                shares = np.exp(scores - scores.max())
                for share, k in zip(shares / shares.sum(), keys, strict=True):
                    mixed[own] += share * made[k][2 * d:][own]
            out[clip, q] = oracles.linear(mixed, weights, "attention.proj")
    return out


def not_its_own_value(given, out: np.ndarray) -> str | None:
    if oracles.is_own_value(given["x"][0, 0], given["weights"], out[0, 0]):
        return None
    return ("this clip has one frame, and attention runs along t: each token has nobody but itself to look at. So its "
            "answer is its own value through proj, and yours is another.")


AXES = '{"t": "(h w) t", "h": "(t w) h", "w": "(t h) w"}'
MAKE = '"b (t n) (three half head e) -> half three b head t n e"'
JOIN = '"b half head t n e -> b (t n) (half head e)"'

MUTANTS = (
    Mutant("always along time", (("[axis]", '["t"]'),),
           "Your axial attention runs along t whatever axis is asked for."),
    Mutant("rows and columns exchanged", ((AXES, '{"t": "(h w) t", "h": "(t h) w", "w": "(t w) h"}'),),
           "Your h and w are exchanged. Attention along h wants h as the last axis before the channels: b (t w) h d."),
    Mutant("planes for lines", ((AXES, '{"t": "h (w t)", "h": "t (h w)", "w": "t (h w)"}'),),
           "Your groups are planes: two axes stand where the tokens of one line should. One axis alone runs, the "
           "other two belong to the groups."),
    Mutant("joint attention", ((AXES, '{"t": "1 (t h w)", "h": "1 (t h w)", "w": "1 (t h w)"}'),),
           "Your axial attention is joint: every token of the clip is in one group."),
    Mutant("time fastest", (('f"b (t h w) (three head e) -> three', 'f"b (h w t) (three head e) -> three'),
                            ('{lines} e -> b (t h w) (head e)"', '{lines} e -> b (h w t) (head e)"')),
           "You took the tokens apart as (h w t). Sequences of this course run (t h w), time slowest."),
    Mutant("back in another order", (('{lines} e -> b (t h w) (head e)"', '{lines} e -> b (h w t) (head e)"'),),
           "The way there is right, and on the way back your tokens come out as (h w t): each answer goes to another "
           "token. It has to be (t h w) again."),
    Mutant("not brought back", (('f"b head {lines} e -> b (t h w) (head e)", **size)',
                                 '"b head g l e -> b (g l) (head e)")'),),
           "You joined lines and tokens as they stood, line after line. The tokens have to go back to their places, "
           "(t h w), or answers belong to other tokens."),
    Mutant("axial projection missing", (('return linear(mixed, weights, "attention.proj")', "return mixed"),),
           "The output projection of your axial attention is missing."),
    Mutant("axial heads ignored", (("three=3, head=heads, **size", "three=3, head=1, **size"),),
           "Your axial attention has a single head. The width is shared out among `heads` of them."),
    Mutant("halves exchanged", (("attend(*parts[0].transpose", "attend(*parts[1].transpose"),
                                ("space = attend(*parts[1])", "space = attend(*parts[0])"),
                                ("torch.stack([time, space]", "torch.stack([space, time]")),
           "Your halves are exchanged: the *first* half of the heads looks along time, the second across space."),
    Mutant("every second head in time", ((MAKE, '"b (t n) (three head half e) -> half three b head t n e"'),
                                         (JOIN, '"b half head t n e -> b (t n) (head half e)"')),
           "Your heads take turns, time, space, time, ... The first half of them looks along time: half stands "
           "before head."),
    Mutant("joined in another order", ((JOIN, '"b half head t n e -> b (t n) (head half e)"'),),
           "You split the heads as (half head) and joined them as (head half), so proj reads them in another order."),
    Mutant("all heads across space", (("time = attend(*parts[0].transpose(-3, -2)).transpose(-3, -2)",
                                       "time = attend(*parts[0])"),),
           "All your heads look across space. For the first half, frames have to stand where places stand: exchange "
           "t and n before the attention, and back after it."),
    Mutant("all heads along time", (("space = attend(*parts[1])",
                                     "space = attend(*parts[1].transpose(-3, -2)).transpose(-3, -2)"),),
           "All your heads look along time. The second half keeps frames together: (t, n, e) as they are."),
    Mutant("tubes not turned back", (("torch.stack([time, space], dim=1)",
                                      "torch.stack([time.transpose(-3, -2).reshape(space.shape), space], dim=1)"),),
           "The heads in time come back as (n, t), place after place, and you joined them as if they were (t, n)."),
    Mutant("one half twice", (("torch.stack([time, space]", "torch.stack([time, time]"),),
           "Your second half is the first once more: what the heads in space have found is lost."),
    Mutant("projection of the heads missing", (('return linear(joined, weights, "attention.proj")', "return joined"),),
           "The output projection is missing in factorised_heads. It is the place where time and space meet: without "
           "it no channel ever hears of the other half."),
)


def masked(x, weights, heads, may):
    made = linear(x, weights, "attention.qkv")
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in made.chunk(3, dim=-1))
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=may).transpose(1, 2).flatten(2)
    return linear(out, weights, "attention.proj")


def axial_by_mask(x, weights, heads, t, h, w, axis):
    number = torch.arange(t * h * w)
    at = {"t": number // (h * w), "h": number // w % h, "w": number % w}
    may = torch.stack([at[a][:, None] == at[a][None] for a in "thw" if a != axis]).all(0)
    return masked(x, weights, heads, may)


def axial_by_moving(x, weights, heads, t, h, w, axis):
    box = x.unflatten(1, (t, h, w))
    moved = box.movedim("_thw".index(axis), 3)
    qkv = linear(moved, weights, "attention.qkv").unflatten(-1, (3, heads, -1)).movedim(-3, 0).transpose(-3, -2)
    out = attend(qkv[0], qkv[1], qkv[2]).transpose(-3, -2).flatten(-2)
    return linear(out.movedim(3, "_thw".index(axis)).flatten(1, 3), weights, "attention.proj")


def heads_by_mask(x, weights, heads, t):
    l = x.shape[1]
    number = torch.arange(l)
    n = l // t
    tube, frame = number % n, number // n
    may = torch.stack([(a[:, None] == a[None]) for a in [tube] * (heads // 2) + [frame] * (heads // 2)])
    return masked(x, weights, heads, may)


def heads_one_by_one(x, weights, heads, t):
    e = x.shape[-1] // heads
    q, k, v = (rearrange(p, "b (t n) d -> b t n d", t=t) for p in linear(x, weights, "attention.qkv").chunk(3, dim=-1))
    out = []
    for head in range(heads):
        parts = [p[..., head * e:(head + 1) * e] for p in (q, k, v)]
        if head < heads // 2:
            out.append(attend(*(p.transpose(1, 2) for p in parts)).transpose(1, 2))
        else:
            out.append(attend(*parts))
    return linear(torch.cat(out, dim=-1).flatten(1, 2), weights, "attention.proj")


STYLES = (
    Style("masks", {"axial_attention": axial_by_mask, "factorised_heads": heads_by_mask}),
    Style("axes moved, heads one by one", {"axial_attention": axial_by_moving, "factorised_heads": heads_one_by_one}),
)

EXERCISE = Exercise(
    id="03.3",
    title="Two regroupings around one attention",
    difficulty=4,
    minutes=18,
    points=30,
    why="a mask computes a pattern and saves nothing. Regrouping computes the same numbers and skips the work.",
    objectives=("compute axial attention without l x l scores",
                "share one attention's heads between time and space (ViViT, model 4)"),
    answer=(axial_attention, factorised_heads),
    given=(linear, attend),
    cases=cases,
    oracle=oracle,
    properties=(Property("alone with oneself", "axial_attention", not_its_own_value, ("nobody to look at",)),),
    hints=(
        "Make q, k and v of all tokens first; attend() takes (..., tokens of a group, e). So the question is only "
        "which axis stands second to last, and the others go before it.",
        "Axial along h: 'b (t h w) (three head e) -> three b head (t w) h e', attend, and the same pattern backwards. "
        "For the heads: split the width as (three half head e).",
        "Half 0 looks along time: exchange t and n, attend, exchange them again. Half 1 looks across space as it "
        "stands. Stack the two, join (half head e), then proj.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
