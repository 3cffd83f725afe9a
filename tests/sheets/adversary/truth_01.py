"""What is right in sheet 01: loops in NumPy and float64, and many sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch

from tests.sheets.adversary import answers_01_1, answers_01_2, answers_01_3, answers_01_4
from tests.sheets.adversary.truth_04 import attend as heads_attend
from tests.sheets.adversary.truth_04 import erf, layer_norm, weights_of
from tests.sheets.adversary.workshop import Answer


def patchify(x, p):
    b, c, height, width = x.shape
    w = width // p
    out = np.empty((b, height // p * w, c * p * p))
    for i, k, y, z in np.ndindex(x.shape):
        out[i, y // p * w + z // p, (k * p + y % p) * p + z % p] = x[i, k, y, z]
    return out


def embed(x, weights, name):
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    p = weight.shape[-1]
    b, _, height, width = x.shape
    out = np.empty((b, height // p * (width // p), len(weight)))
    for i, y, z in np.ndindex(b, height // p, width // p):
        piece = x[i, :, y * p : y * p + p, z * p : z * p + p]
        out[i, y * (width // p) + z] = [(kernel * piece).sum() for kernel in weight] + bias
    return out


def add_places(patches, cls, table):
    out = np.empty((len(patches), len(table), table.shape[1]))
    for i, row in np.ndindex(out.shape[:2]):
        out[i, row] = (patches[i, row - 1] if row else cls[0, 0]) + table[row]
    return out


def cubic(distance, a=-0.75):
    x = abs(distance)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def resize_table(table, old, new):
    (h, w), (rows, columns) = old, new
    out = [table[0]]
    for i, j in np.ndindex(rows, columns):
        y, x = (i + 0.5) * h / rows - 0.5, (j + 0.5) * w / columns - 0.5
        total = np.zeros(table.shape[1])
        for v in range(math.floor(y) - 1, math.floor(y) + 3):
            for u in range(math.floor(x) - 1, math.floor(x) + 3):
                place = min(max(v, 0), h - 1) * w + min(max(u, 0), w - 1)
                total += cubic(y - v) * cubic(x - u) * table[1 + place]
        out.append(total)
    return np.stack(out)


def attend(q, k, v):
    out = np.empty((*q.shape[:-1], v.shape[-1]))
    for index in np.ndindex(q.shape[:-1]):
        keys, values = k[index[:-1]], v[index[:-1]]
        score = keys @ q[index] / math.sqrt(q.shape[-1])
        share = np.exp(score - score.max())
        out[index] = share @ values / share.sum()
    return out


def vit_block(x, w, heads):
    x = x + heads_attend(layer_norm(x, w, "attention_norm"), w, "attention", heads)
    h = layer_norm(x, w, "mlp_norm") @ w["mlp.0.weight"].T + w["mlp.0.bias"]
    return x + 0.5 * h * (1 + erf(h / math.sqrt(2))) @ w["mlp.2.weight"].T + w["mlp.2.bias"]


ORACLES = {
    "patchify": patchify,
    "embed": embed,
    "add_places": add_places,
    "resize_table": resize_table,
    "attend": attend,
    "multi_head": heads_attend,
    "norm": layer_norm,
    "vit_block": vit_block,
}
EXACT: dict = {}
BASES = (answers_01_1.BASE, answers_01_2.BASE, answers_01_3.BASE, answers_01_4.BLOCK)
REFERENCE = Answer("reference", "\n".join(BASES)).functions()
# (b, c, h, w, p, d), (b, n, d), (d, old, new), (axes in front, l, s, e, f), (b, l, d, heads)
PICTURES = [(2, 3, 2, 3, 4, 5), (2, 3, 2, 3, 4, 5), (1, 1, 2, 2, 2, 3), (3, 2, 1, 5, 1, 2), (2, 4, 3, 1, 3, 7), (1, 3,
    4, 4, 2, 1), (2, 1, 5, 2, 3, 6), (1, 2, 1, 1, 5, 4), (4, 3, 3, 4, 2, 9), (2, 1, 5, 4, 1, 2)]
TOKENS = [(2, 6, 5), (2, 6, 5), (1, 4, 3), (3, 1, 2), (5, 9, 1), (1, 1, 1), (2, 12, 8)]
TABLES = [(5, (3, 4), (6, 5)), (5, (3, 4), (6, 5)), (2, (2, 2), (4, 4)), (3, (4, 4), (2, 2)), (1, (5, 2), (5, 2)), (4,
    (1, 6), (2, 6)), (6, (8, 8), (8, 16)), (2, (7, 3), (4, 5)), (3, (1, 1), (3, 2)), (2, (4, 6), (1, 1)), (3, (4, 3),
    (3, 4)), (2, (14, 14), (24, 24))]
SCORES = [((2,), 3, 4, 5, 6), ((2,), 3, 4, 5, 6), ((), 4, 4, 3, 3), ((2, 3), 1, 5, 8, 2), ((1,), 5, 1, 2, 7), ((2, 1,
    3), 6, 2, 1, 1), ((4, 2), 7, 9, 16, 4), ((1, 1), 2, 2, 64, 3)]
HEADS = [(2, 5, 6, 2), (2, 5, 6, 2), (1, 1, 4, 4), (3, 4, 12, 3), (1, 7, 5, 1), (2, 2, 10, 5), (4, 9, 8, 2), (2, 3, 1,
    1), (1, 17, 16, 8)]


def cases(exercise: str, seed: int = 0) -> Iterator[tuple[str, tuple]]:
    rng = np.random.default_rng([seed, int(exercise[-1]), 101])

    def draw(*shape, scale=1.0):
        return torch.from_numpy(rng.normal(0, scale, shape)).float()

    if exercise == "01.1":
        for number, (b, c, h, w, p, d) in enumerate(PICTURES):
            name = ("patch_embed.proj", "stem")[number % 2]
            weights = {"other.weight": draw(d, c, p, p), f"{name}.weight": draw(d, c, p, p), f"{name}.bias": draw(d)}
            yield "patchify", (draw(b, c, h * p, w * p), p)
            yield "patchify", (draw(b, h * p, w * p, c).permute(0, 3, 1, 2), p)
            yield "embed", (draw(b, c, h * p, w * p, scale=2.0), weights, name)
    elif exercise == "01.2":
        for b, n, d in TOKENS:
            yield "add_places", (draw(b, n, d), draw(1, 1, d), draw(1 + n, d))
        for d, old, new in TABLES:
            yield "resize_table", (draw(1 + math.prod(old), d), old, new)
    elif exercise == "01.3":
        for front, l, s, e, f in SCORES:
            yield "attend", (draw(*front, l, e, scale=1.5), draw(*front, s, e, scale=1.5), draw(*front, s, f))
        yield "attend", (draw(2, 3, 8, scale=20.0), draw(2, 4, 8, scale=20.0), draw(2, 4, 2))
        for number, (b, l, d, heads) in enumerate(HEADS):
            name = ("attention", "blocks.1.attention")[number % 2]
            yield "multi_head", (draw(b, l, d), weights_of(rng, d, ("other", name)), name, heads)
    else:
        for number, (b, l, d, heads) in enumerate(HEADS):
            weights = weights_of(rng, d, ("a_norm", "mlp_norm"))
            small = (1.0, 1e-3, 3.0, 1e-2, 1e-4)[number % 5]
            yield "norm", (draw(b, l, d, scale=small), weights, ("a_norm", "mlp_norm")[number % 2])
            parts = ("attention_norm", "attention", "mlp_norm", "mlp")
            weights = weights_of(rng, d, parts, hidden=(4 * d, 5, 2 * d + 1)[number % 3])
            yield "vit_block", (draw(b, l, d, scale=(1.0, 1.0, 1e-2)[number % 3]), weights, heads)
        yield "norm", (draw(3, 5) * 0.01, weights_of(rng, 5, ("z_norm",)), "z_norm")
