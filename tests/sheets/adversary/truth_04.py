"""What is right in sheet 04: loops in NumPy and float64, formulas in whole numbers, and many sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch

from tests.sheets.adversary import answers_04_1, answers_04_2, answers_04_3
from tests.sheets.adversary.workshop import Answer

erf = np.vectorize(math.erf)
NAME = "spatial_attention.attention"


# The oracle: loops over clips, tokens and heads.
def tubes(x, t):
    b, l, d = x.shape
    n = l // t
    out = np.empty((b * n, t, d))
    for c in range(b):
        for p in range(n):
            for f in range(t):
                out[c * n + p, f] = x[c, f * n + p]
    return out


def untubes(y, b):
    g, t, d = y.shape
    n = g // b
    out = np.empty((b, t * n, d))
    for c in range(b):
        for p in range(n):
            for f in range(t):
                out[c, f * n + p] = y[c * n + p, f]
    return out


def attend(x, w, name, heads):
    g, l, d = x.shape
    e = d // heads
    out = np.empty_like(x)
    for i in range(g):
        qkv = x[i] @ w[f"{name}.qkv.weight"].T + w[f"{name}.qkv.bias"]
        merged = np.empty((l, d))
        for h in range(heads):
            q, k, v = (qkv[:, part * d + h * e : part * d + (h + 1) * e] for part in range(3))
            for row in range(l):
                score = k @ q[row] / math.sqrt(e)
                look = np.exp(score - score.max())
                merged[row, h * e : (h + 1) * e] = look @ v / look.sum()
        out[i] = merged @ w[f"{name}.proj.weight"].T + w[f"{name}.proj.bias"]
    return out


def spatial(x, w, t, heads):
    n = (x.shape[1] - 1) // t
    out = np.zeros_like(x)
    for c in range(len(x)):
        for f in range(t):
            rows = slice(1 + f * n, 1 + (f + 1) * n)
            y = attend(np.concatenate([x[c, :1], x[c, rows]])[None], w, NAME, heads)[0]
            out[c, 0] += y[0] / t
            out[c, rows] = y[1:]
    return out


def layer_norm(x, w, name):
    out = np.empty_like(x)
    for index in np.ndindex(x.shape[:-1]):
        row = x[index] - x[index].mean()
        out[index] = row / math.sqrt((row**2).mean() + 1e-6) * w[f"{name}.weight"] + w[f"{name}.bias"]
    return out


def block(x, w, t, heads):
    def affine(y, name):
        return y @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x = x.copy()
    time = attend(tubes(layer_norm(x[:, 1:], w, "temporal_norm"), t), w, "temporal_attention.attention", heads)
    x[:, 1:] += affine(untubes(time, len(x)), "temporal_projection")
    x = x + spatial(layer_norm(x, w, "spatial_norm"), w, t, heads)
    h = affine(layer_norm(x, w, "mlp_norm"), "mlp.0")
    return x + affine(0.5 * h * (1 + erf(h / math.sqrt(2))), "mlp.2")


ORACLES = {
    "to_tubes": tubes,
    "from_tubes": untubes,
    "multi_head": attend,
    "spatial_attention": spatial,
    "norm": layer_norm,
    "divided_block": block,
}
# Gradients: our own answers in float64, whose values the test of this file compares with the loops above.
REFERENCE = Answer("reference", answers_04_1.PLAIN + answers_04_2.BASE + answers_04_3.BLOCK).functions()


def weights_of(rng, d, names=(NAME,), *, scale=0.5, hidden=None):
    def draw(*shape):
        return torch.from_numpy(rng.normal(0, scale, shape)).float()

    w = {}
    for name in names:
        if name.endswith("norm"):
            w |= {f"{name}.weight": draw(d), f"{name}.bias": draw(d)}
        elif name == "mlp":
            w |= {
                "mlp.0.weight": draw(hidden, d),
                "mlp.0.bias": draw(hidden),
                "mlp.2.weight": draw(d, hidden),
                "mlp.2.bias": draw(d),
            }
        elif name == "temporal_projection":
            w |= {f"{name}.weight": draw(d, d), f"{name}.bias": draw(d)}
        else:
            w |= {
                f"{name}.qkv.weight": draw(3 * d, d),
                f"{name}.qkv.bias": draw(3 * d),
                f"{name}.proj.weight": draw(d, d),
                f"{name}.proj.bias": draw(d),
            }
    return w


BLOCK_NAMES = (
    "temporal_norm",
    "temporal_attention.attention",
    "temporal_projection",
    "spatial_norm",
    NAME,
    "mlp_norm",
    "mlp",
)
# (b, t, n, d, heads): one of everything, odd and even, square and not, t above and below n, heads that divide or not.
SIZES = [(2, 3, 4, 6, 2), (2, 3, 4, 6, 2), (3, 2, 5, 12, 3), (1, 4, 3, 8, 8), (3, 1, 6, 10, 5), (2, 5, 1, 12, 1), (1,
    1, 1, 4, 2), (4, 6, 2, 9, 3), (2, 8, 7, 16, 4), (5, 3, 9, 24, 6), (1, 7, 16, 12, 4), (3, 4, 2, 1, 1), (2, 16, 3,
    20, 2), (1, 2, 30, 6, 3)]


COSTS = [(2, 4, 1), (1, 1, 1), (1, 2, 3), (8, 196, 768), (3, 7, 5), (96, 196, 768), (7, 3, 64), (50, 9, 11), (130,
    256, 1280), (4, 4, 4), (2000, 1024, 4096), (101, 2, 1000), (6, 50, 2), (30001, 5017, 7)]
CROSSINGS = [(196, 768), (2, 1), (2, 2), (2, 4), (3, 4), (3, 5), (3, 3), (11, 18), (6, 7), (4, 1), (300, 2), (50, 1),
    (2, 768), (9, 12), (17, 4096), (1568, 768), (5, 8), (5, 6), (26, 20), (196, 1024), (64, 4096), (3, 2000)]


def cases(exercise: str, seed: int = 0) -> Iterator[tuple[str, tuple]]:
    rng = np.random.default_rng([seed, int(exercise[-1]), 977])

    def draw(*shape, scale=1.0):
        return torch.from_numpy(rng.normal(0, scale, shape)).float()

    if exercise == "04.4":
        for t, n, d in COSTS:
            yield "pairs", (t, n)
            yield "macs", (t, n, d)
        for n, d in CROSSINGS:
            yield "crossing", (n, d)
        return
    for number, (b, t, n, d, heads) in enumerate(SIZES):
        scale = (1.0, 3.0)[number % 2]
        if exercise == "04.1":
            yield "to_tubes", (draw(b, t * n, d, scale=scale), t)
            yield "from_tubes", (draw(b * n, t, d, scale=scale), b)
            yield "from_tubes", (draw(t * n, b + 1, d), t)
            yield "to_tubes", (draw(b, 1 + t * n, d)[:, 1:], t)
            yield "from_tubes", (draw(t, b * n, d).transpose(0, 1), b)
        elif exercise == "04.2":
            name = (NAME, "temporal_attention.attention", "blocks.3.attn")[number % 3]
            yield "multi_head", (draw(b * t, n, d, scale=scale), weights_of(rng, d, ("other", name)), name, heads)
            yield (
                "spatial_attention",
                (
                    draw(b, 1 + t * n, d, scale=scale),
                    weights_of(rng, d, (NAME, "temporal_attention.attention")),
                    t,
                    heads,
                ),
            )
        else:
            small = (1.0, 1e-3, 3.0, 1e-2, 1e-4)[number % 5]
            weights = weights_of(rng, d, ("a_norm", "mlp_norm"))
            yield "norm", (draw(b, t * n, d, scale=small), weights, ("a_norm", "mlp_norm")[number % 2])
            yield (
                "divided_block",
                (
                    draw(b, 1 + t * n, d, scale=scale),
                    weights_of(rng, d, BLOCK_NAMES, hidden=(4 * d, 5, 2 * d + 1)[number % 3]),
                    t,
                    heads,
                ),
            )
    if exercise == "04.2":
        w = weights_of(rng, 8, scale=2.0)
        yield "multi_head", (draw(2, 5, 8, scale=5.0), w, NAME, 2)  # scores in the hundreds
        yield "spatial_attention", (draw(7, 2, 8).transpose(0, 1), w, 3, 4)
    if exercise == "04.3":
        yield "norm", (draw(3, 5) * 0.01, weights_of(rng, 5, ("z_norm",)), "z_norm")  # any number of axes
        w = weights_of(rng, 6, BLOCK_NAMES, hidden=11)
        w["temporal_projection.weight"].zero_(), w["temporal_projection.bias"].zero_()
        yield "divided_block", (draw(2, 1 + 3 * 4, 6), w, 3, 2)  # the gate as a new TimeSformer has it
        yield "divided_block", (draw(2, 1 + 2 * 4, 6, scale=1e-3), weights_of(rng, 6, BLOCK_NAMES, hidden=24), 2, 3)


def whole_numbers(function: str, args: tuple) -> Callable[[object], str | None]:
    """What judges a result: whole numbers, and no others."""
    t, n, d = (*args, 0)[:3]
    if function == "pairs":
        want = [(t * n) ** 2, t * n * (t + n)]
    elif function == "macs":
        want = [4 * t * n * d * d + 2 * (t * n) ** 2 * d, 9 * t * n * d * d + 2 * t * n * (t + n) * d]
    else:
        n, d = args
        want = [next(t for t in range(1, 10**9) if 4 * d + 2 * t * n > 9 * d + 2 * (t + n))]

    def judge(got: object) -> str | None:
        flat = list(got) if function != "crossing" and isinstance(got, (tuple, list)) else [got]
        whole = all(isinstance(g, (int, np.integer)) and type(g) is not bool for g in flat)
        return None if whole and list(map(int, flat)) == want else f"{function}{args}: {str(got)[:60]}, expected {want}"

    return judge


EXACT = dict.fromkeys(("pairs", "macs", "crossing"), whole_numbers)
