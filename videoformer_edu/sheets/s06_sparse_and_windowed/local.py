"""06.1: local temporal attention that really skips: what a token may not look at is never multiplied."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make
from videoformer_edu.sheets import oracles


def linear(x, weights, name):
    """One linear map of the dict, on the last axis (given)."""
    return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def window_frames(t, window):
    """(t, window) whole numbers: the frames around each frame, window // 2 on either side; -1 where there is none."""
    frames = torch.arange(t)[:, None] + torch.arange(window) - window // 2
    return torch.where((frames >= 0) & (frames < t), frames, -1)


def local_attention(x, weights, heads, t, window):
    """x (b, t*n, d), time slowest -> the same shape: each token looks at its own place in the frames of its window."""
    frames = window_frames(t, window)  # (t, window)
    made = linear(x, weights, "attention.qkv")  # (b, t*n, 3*d)
    q, k, v = rearrange(made, "b (t n) (three head e) -> three b head n t e", t=t, three=3, head=heads)
    k, v = k[..., frames.clamp(min=0), :], v[..., frames.clamp(min=0), :]  # (b, head, n, t, window, e)
    scores = torch.einsum("...e, ...we -> ...w", q, k) / q.shape[-1] ** 0.5  # (b, head, n, t, window)
    shares = scores.masked_fill(frames < 0, -torch.inf).softmax(dim=-1)
    mixed = torch.einsum("...w, ...we -> ...e", shares, v)  # (b, head, n, t, e)
    return linear(rearrange(mixed, "b head n t e -> b (t n) (head e)"), weights, "attention.proj")


def local_pairs(t, n, window):
    """How many query-key pairs local attention has, over all t frames of n patches, a head."""
    return n * int((window_frames(t, window) >= 0).sum())


def cases(rng: np.random.Generator) -> list[Case]:
    def clip(b: int, t: int, n: int, heads: int, e: int, window: int) -> dict:
        d = heads * e
        return {"x": make.tokens(rng, b, t * n, d), "weights": make.attention(rng, "attention", d), "heads": heads,
                "t": t, "window": window}

    t, n = make.sizes(rng, (7, 8, 9), (2, 3))
    poisoned = clip(2, t, n, 2, 2, 3)
    frame = int(rng.integers(2, t - 2))
    poisoned["x"][:, frame * n:(frame + 1) * n] = np.nan
    axes = "clip, token, channel"
    return [
        Case("three frames around each", "window_frames", {"t": 5, "window": 3}, "the first and the last miss one"),
        Case("a window longer than the clip", "window_frames", {"t": 2, "window": 7}, "most frames are not there"),
        Case("any window of frames", "window_frames", {"t": int(rng.integers(6, 10)), "window": 5}, "any clip"),
        Case("a window of one frame", "local_attention", clip(2, 4, 3, 2, 3, 1), "each token has itself alone",
             axes=axes),
        Case("a frame of nan", "local_attention", poisoned,
             "what is multiplied by a share of zero is still multiplied: nan reaches those who look, and nobody else",
             share=2, axes=axes),
        Case("one head", "local_attention", clip(1, 6, 2, 1, 5, 5), "windows are cut off at both ends", axes=axes),
        Case("three heads", "local_attention", clip(3, 5, n, 3, 2, 3), "any number of clips, places and heads",
             axes=axes, gradient=True),
        Case("the window is longer than the clip", "local_attention", clip(2, 3, 4, 2, 2, 9), "then it is the tube",
             axes=axes),
        Case("pairs of a short clip", "local_pairs", {"t": 4, "n": 3, "window": 3}, "(2 + 3 + 3 + 2) pairs a place"),
        Case("pairs of a long clip", "local_pairs", {"t": int(rng.integers(60, 90)), "n": 196, "window": 5},
             "about window keys a token"),
        Case("pairs of a window longer than the clip", "local_pairs", {"t": 3, "n": 5, "window": 11}, "all of a tube"),
    ]


def oracle(case: Case) -> np.ndarray | int:
    """Frame by frame: who is near enough?"""
    given = case.inputs
    t, half = given["t"], given["window"] // 2
    if case.function == "window_frames":
        return np.array([[frame + step if 0 <= frame + step < t else -1 for step in range(-half, half + 1)]
                         for frame in range(t)])
    near = [[other for other in range(t) if abs(other - frame) <= half] for frame in range(t)]
    if case.function == "local_pairs":
        return sum(len(others) for others in near for _ in range(given["n"]))
    x, weights, heads = given["x"].astype(np.float64), given["weights"], given["heads"]
    b, l, d = x.shape
    n, e = l // t, d // heads
    out = np.zeros_like(x)
    for clip in range(b):
        made = [oracles.linear(token, weights, "attention.qkv") for token in x[clip]]
        for q in range(l):
            mixed = np.zeros(d)
            for head in range(heads):
                own = slice(head * e, head * e + e)
                keys = [frame * n + q % n for frame in near[q // n]]
                scores = [float(made[q][:d][own] @ made[k][d:2 * d][own]) / math.sqrt(e) for k in keys]
                shares = np.exp(np.array(scores) - max(scores))
                for share, k in zip(shares / shares.sum(), keys, strict=True):
                    mixed[own] += share * made[k][2 * d:][own]
            out[clip, q] = oracles.linear(mixed, weights, "attention.proj")
    return out


def not_its_own_value(given, out: np.ndarray) -> str | None:
    if oracles.is_own_value(given["x"][0, 0], given["weights"], out[0, 0]):
        return None
    return ("in a window of one frame each token has nobody but itself to look at. So its answer is its own value "
            "through proj, and yours is another.")


SCORES = 'scores = torch.einsum("...e, ...we -> ...w", q, k) / q.shape[-1] ** 0.5'
WHOLE = '''    near = (window_frames(t, window)[:, :, None] == torch.arange(t)).any(1)  # (t, t)
    scores = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).masked_fill(~near, -torch.inf)
    mixed = scores.softmax(dim=-1) @ v
    return linear(rearrange(mixed, "b head n t e -> b (t n) (head e)"), weights, "attention.proj")
    k, v ='''

MUTANTS = (
    Mutant("a mask over all frames", (("    k, v = k[..., frames", WHOLE + " k[..., frames"),),
           "Your values are right, and you computed every score of the tube: nan from a frame that nobody may look at "
           "reaches everybody, because zero times nan is nan. A mask skips nothing. Gather the keys and values of the "
           "window first, then multiply."),
    Mutant("window on one side", (("torch.arange(window) - window // 2", "torch.arange(window) - window + 1"),),
           "Your window holds the frames before the own one. It lies around it: window // 2 on either side."),
    Mutant("window twice as wide", (("torch.arange(t)[:, None] + torch.arange(window) - window // 2",
                                     "torch.arange(t)[:, None] + 2 * (torch.arange(window) - window // 2)"),),
           "Your frames are two apart: that is dilated attention. The window holds neighbours."),
    Mutant("ends repeated", (("    return torch.where((frames >= 0) & (frames < t), frames, -1)",
                              "    return frames.clamp(0, t - 1)"),),
           "You repeat the first and the last frame where the window reaches over the end. Then these frames count "
           "twice in the softmax; there is no frame, so -1."),
    Mutant("ends wrap round", (("    return torch.where((frames >= 0) & (frames < t), frames, -1)",
                                "    return frames % t"),),
           "Your window goes on at the other end of the clip. Frame 0 has nothing before it: -1."),
    Mutant("window cut, not marked", (("(frames >= 0) & (frames < t), frames, -1)",
                                       "frames >= 0, frames.clamp(max=t - 1), -1)"),),
           "You mark what is missing before the clip and not what is missing after it."),
    Mutant("missing frames looked at", (("scores.masked_fill(frames < 0, -torch.inf).softmax", "scores.softmax"),),
           "A frame that is not there (-1) gets a share of attention. Set its scores to -inf before the softmax."),
    Mutant("zero for -inf", (("-torch.inf).softmax", "0.0).softmax"),),
           "You set the scores of missing frames to 0, and exp(0) is 1: they still get a share. -inf gets none."),
    Mutant("no scale", ((" / q.shape[-1] ** 0.5", ""),),
           "The scores are not divided by sqrt(e): with more channels the softmax would be ever sharper."),
    Mutant("scale of the whole width", (("/ q.shape[-1] ** 0.5", "/ x.shape[-1] ** 0.5"),),
           "You scale by the width of all heads together. Each head has e = d / heads channels: sqrt(e)."),
    Mutant("heads ignored", (("three=3, head=heads)", "three=3, head=1)"),),
           "You have a single head. The width is shared out among `heads` of them, each with its own softmax."),
    Mutant("places for frames", (('"b (t n) (three head e) -> three b head n t e", t=t',
                                  '"b (n t) (three head e) -> three b head n t e", t=t'),
                                 ('"b head n t e -> b (t n) (head e)"', '"b head n t e -> b (n t) (head e)"')),
           "You took t*n apart as (n t). The sequence is frame after frame: (t n)."),
    Mutant("not brought back", (('rearrange(mixed, "b head n t e -> b (t n) (head e)")',
                                 'rearrange(mixed, "b head n t e -> b (n t) (head e)")'),),
           "Your answers come out place after place, (n t). They have to go back to (t n), or each belongs to another "
           "token."),
    Mutant("projection missing", (('return linear(rearrange(mixed, "b head n t e -> b (t n) (head e)"), weights, '
                                   '"attention.proj")',
                                   'return rearrange(mixed, "b head n t e -> b (t n) (head e)")'),),
           "The output projection is missing: what the heads have found is never mixed."),
    Mutant("keys for values", (('torch.einsum("...w, ...we -> ...e", shares, v)',
                                'torch.einsum("...w, ...we -> ...e", shares, k)'),),
           "You average the keys. The shares weigh the values."),
    Mutant("ends not counted", (("return n * int((window_frames(t, window) >= 0).sum())",
                                 "return n * t * min(window, t)"),),
           "You count a whole window for every frame. At both ends of the clip a window is cut off."),
    Mutant("places forgotten", (("return n * int(", "return int("),),
           "You count the pairs of one place. There are n of them."),
    Mutant("places looked across", (("return n * int(", "return n * n * int("),),
           "You count pairs with other places of the near frames. Here a token looks at its own place alone."),
)


def frames_in_a_loop(t, window):
    out = torch.full((t, window), -1)
    for frame in range(t):
        for i, other in enumerate(range(frame - window // 2, frame + window // 2 + 1)):
            if 0 <= other < t:
                out[frame, i] = other
    return out


def frame_by_frame(x, weights, heads, t, window):
    b, l, d = x.shape
    n, e = l // t, d // heads
    q, k, v = linear(x, weights, "attention.qkv").reshape(b, t, n, 3, heads, e).unbind(3)
    out = []
    for frame in range(t):
        start, end = max(0, frame - window // 2), min(t, frame + window // 2 + 1)
        scores = torch.einsum("bnhe,bfnhe->bnhf", q[:, frame], k[:, start:end]) / math.sqrt(e)
        out.append(torch.einsum("bnhf,bfnhe->bnhe", scores.softmax(-1), v[:, start:end]))
    return linear(torch.stack(out, 1).reshape(b, l, d), weights, "attention.proj")


def by_padding_and_unfold(x, weights, heads, t, window):
    half = window // 2
    q, k, v = rearrange(linear(x, weights, "attention.qkv"), "b (t n) (three head e) -> three b head n t e", t=t,
                        three=3, head=heads)
    k, v = (F.pad(part, (0, 0, half, half)).unfold(-2, window, 1).movedim(-1, -2) for part in (k, v))
    missing = F.pad(torch.zeros(t), (half, half), value=1.0).unfold(0, window, 1) > 0  # (t, window)
    scores = (q[..., None, :] @ k.transpose(-2, -1))[..., 0, :] * q.shape[-1] ** -0.5
    shares = scores.masked_fill(missing, float("-inf")).softmax(-1)
    mixed = (shares[..., None, :] @ v)[..., 0, :]
    return linear(rearrange(mixed, "b head n t e -> b (t n) (head e)"), weights, "attention.proj")


def pairs_in_closed_form(t, n, window):
    half = min(window // 2, t - 1)
    return n * (t + 2 * sum(t - step for step in range(1, half + 1)))


STYLES = (
    Style("frame by frame", {"window_frames": frames_in_a_loop, "local_attention": frame_by_frame,
                             "local_pairs": pairs_in_closed_form}),
    Style("padding and unfold", {"local_attention": by_padding_and_unfold}),
)

EXERCISE = Exercise(
    id="06.1",
    title="Local attention that really skips",
    difficulty=3,
    minutes=16,
    points=30,
    why="a mask gives the right numbers at the full price. The check asks for both: right values, and no "
        "multiplication by what may not be looked at.",
    objectives=("gather the keys of a sparse pattern instead of masking all of them",
                "count the pairs that are left, ends included"),
    answer=(window_frames, local_attention, local_pairs),
    given=(linear,),
    cases=cases,
    oracle=oracle,
    differentiable=("local_attention",),
    properties=(Property("alone with oneself", "local_attention", not_its_own_value, ("a window of one frame",)),),
    hints=(
        "Who looks at whom is the same for every place, head and clip, so the table (t, window) of frames is all that "
        "you need. Pick keys and values by it before you multiply anything.",
        "With k of shape (b, head, n, t, e), `k[..., frames, :]` is (b, head, n, t, window, e) for a table `frames` "
        "(t, window). -1 would pick the last frame: clamp it to 0, and set its scores to -inf.",
        "scores = einsum('...e, ...we -> ...w', q, k) / sqrt(e), softmax over w, then einsum('...w, ...we -> ...e', "
        "shares, v). Nothing of size t x t is ever made.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
