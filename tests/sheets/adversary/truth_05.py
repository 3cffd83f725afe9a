"""What is right in sheet 05: loops in NumPy and float64, and many sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch

from tests.sheets.adversary import answers_05_1, answers_05_2, answers_05_3, answers_05_4
from tests.sheets.adversary.truth_01 import cubic
from tests.sheets.adversary.truth_04 import attend, layer_norm
from tests.sheets.adversary.workshop import Answer


def tubelet_embed(video, weight, bias):
    d, c, s, p, q = weight.shape
    b, _, frames, height, width = video.shape
    t, h, w = frames // s, height // p, width // q
    out = np.empty((b, t * h * w, d))
    for i, f, y, z in np.ndindex(b, t, h, w):
        box = video[i, :, f * s : f * s + s, y * p : y * p + p, z * q : z * q + q]
        out[i, (f * h + y) * w + z] = [(kernel * box).sum() for kernel in weight] + bias
    return out


def inflate_central(weight, s):
    out = np.zeros((*weight.shape[:2], s, *weight.shape[2:]))
    out[:, :, s // 2] = weight
    return out


def inflate_average(weight, s):
    return np.stack([weight / s] * s, axis=2)


def taps(size: int, wanted: int, kind: str) -> np.ndarray:
    """(wanted, size): how much each old place weighs in each new one."""
    out = np.zeros((wanted, size))
    for i in range(wanted):
        at = (i + 0.5) * size / wanted - 0.5
        at = at if kind == "cubic" else max(at, 0.0)
        for j in range(math.floor(at) - 1, math.floor(at) + 3):
            weight = cubic(at - j) if kind == "cubic" else max(0.0, 1 - abs(at - j))
            out[i, min(max(j, 0), size - 1)] += weight
    return out


def resize_table(table, old, new):
    grid = table.reshape(*old, -1)
    for axis, kind in enumerate(("linear", "cubic", "cubic")):
        grid = np.moveaxis(np.tensordot(taps(old[axis], new[axis], kind), grid, axes=(1, axis)), 0, axis)
    return grid.reshape(math.prod(new), -1)


def rotary(x, grid, omega):
    t, h, w = grid
    out = x.copy()
    for i in range(t * h * w):
        for axis, place in enumerate((i // (h * w), i // w % h, i % w)):
            for k, speed in enumerate(omega):
                first = 2 * (axis * len(omega) + k)
                a, b, angle = x[:, i, first], x[:, i, first + 1], place * speed
                out[:, i, first] = a * math.cos(angle) - b * math.sin(angle)
                out[:, i, first + 1] = a * math.sin(angle) + b * math.cos(angle)
    return out


def encode(x, w, name, depth, heads):
    def affine(y, part):
        return y @ w[f"{part}.weight"].T + w[f"{part}.bias"]

    x = np.stack([np.concatenate([w[f"{name}.cls"], one]) + w[f"{name}.positions.table"] for one in x])
    for part in (f"{name}.blocks.{i}" for i in range(depth)):
        x = x + attend(layer_norm(x, w, f"{part}.attention_norm"), w, f"{part}.attention", heads)
        h = affine(layer_norm(x, w, f"{part}.mlp_norm"), f"{part}.mlp.0")
        h = h / (1 + np.exp(-math.sqrt(8 / math.pi) * (h + 0.044715 * h**3)))  # the GELU in its tanh form
        x = x + affine(h, f"{part}.mlp.2")
    return layer_norm(x, w, f"{name}.norm")[:, 0]


def factorised_encoder(tokens, w, t, depths, heads):
    n = tokens.shape[1] // t
    steps = [encode(tokens[:, i * n : i * n + n], w, "spatial_encoder", depths[0], heads) for i in range(t)]
    return encode(np.stack(steps, axis=1), w, "temporal_encoder", depths[1], heads)


def factorised_heads(x, w, name, t, heads):
    (b, l, d), e, n = x.shape, x.shape[2] // heads, x.shape[1] // t
    merged = np.empty_like(x)
    for c, i, h in np.ndindex(b, l, heads):
        own = slice(h * e, h * e + e)
        keys = range(i % n, l, n) if h < heads // 2 else range(i // n * n, i // n * n + n)
        q, k, v = (
            (x[c] @ w[f"{name}.qkv.weight"].T + w[f"{name}.qkv.bias"])[:, :].reshape(l, 3, d)[:, :, own].swapaxes(0, 1)
        )
        score = k[keys] @ q[i] / math.sqrt(e)
        look = np.exp(score - score.max())
        merged[c, i, own] = look @ v[keys] / look.sum()
    return merged @ w[f"{name}.proj.weight"].T + w[f"{name}.proj.bias"]


def counted(_, args):
    """Token by token and head by head."""
    t, n, heads = args
    apart = sum(t if head < heads // 2 else n for head in range(heads)) * t * n
    want = heads * t * n * t * n, apart

    def judge(got) -> str | None:
        whole = isinstance(got, tuple | list) and len(got) == 2 and all(type(z) in (int, float) for z in got)
        return None if whole and tuple(got) == want else f"{got!r:.60} for {want}"

    return judge


ORACLES = {
    "tubelet_embed": tubelet_embed,
    "encode": encode,
    "factorised_encoder": factorised_encoder,
    "factorised_heads": factorised_heads,
    "inflate_central": inflate_central,
    "inflate_average": inflate_average,
    "resize_table": resize_table,
    "rotary": rotary,
}
BASES = answers_05_1.BASE + answers_05_2.BASE + answers_05_3.BASE + answers_05_4.BASE
REFERENCE = Answer("reference", BASES).functions()
EXACT = {"score_counts": counted}
CLIPS = [
    (2, 3, 2, 3, 2, 2, 4, 3, 5),
    (2, 3, 2, 3, 2, 2, 4, 3, 5),
    (1, 1, 1, 1, 1, 1, 1, 1, 1),
    (3, 2, 3, 2, 4, 3, 2, 2, 4),
    (1, 4, 4, 2, 3, 1, 3, 2, 6),
    (2, 1, 1, 4, 2, 5, 2, 4, 2),
    (2, 2, 3, 1, 5, 4, 1, 3, 1),
]
TABLES = [
    (5, (3, 4, 2), (5, 3, 4)),
    (5, (3, 4, 2), (5, 3, 4)),
    (2, (2, 2, 2), (2, 4, 4)),
    (1, (4, 3, 3), (4, 3, 3)),
    (3, (1, 1, 1), (2, 3, 2)),
    (4, (6, 2, 5), (3, 4, 3)),
    (3, (4, 1, 1), (6, 1, 1)),
    (2, (2, 5, 3), (7, 2, 1)),
    (6, (8, 4, 6), (4, 6, 4)),
    (2, (3, 2, 2), (1, 1, 1)),
]
TURNS = [
    (2, (2, 3, 4), 2, 13),
    (2, (2, 3, 4), 2, 13),
    (1, (1, 1, 1), 1, 6),
    (3, (4, 2, 2), 1, 8),
    (1, (3, 1, 5), 3, 18),
    (2, (1, 4, 3), 2, 16),
    (2, (5, 2, 1), 1, 7),
]


SEQUENCES = [
    ("spatial_encoder", 3, 4, 2, 2, 6, 0),
    ("spatial_encoder", 3, 4, 2, 2, 6, 0),
    ("temporal_encoder", 1, 5, 3, 3, 9, 0),
    ("frames", 2, 1, 1, 1, 5, 0),
    ("x", 1, 8, 1, 4, 12, 0),
    ("frames", 2, 3, 1, 2, 4, 1),
    ("one", 1, 1, 1, 1, 1, 0),
]
FILMS = [
    (2, 3, 4, (2, 1), 2, 6),
    (2, 3, 4, (2, 1), 2, 6),
    (1, 5, 2, (1, 3), 3, 6),
    (3, 1, 4, (1, 2), 1, 4),
    (1, 2, 1, (1, 1), 4, 8),
    (2, 6, 3, (1, 1), 1, 3),
    (1, 1, 1, (2, 1), 1, 1),
]
HEADS = [
    ("encoder.blocks.0.attention", 2, 3, 4, 4, 3, 0.5),
    ("encoder.blocks.0.attention", 2, 3, 4, 4, 3, 0.5),
    ("attention", 1, 2, 5, 6, 2, 0.5),
    ("time", 3, 1, 4, 2, 5, 0.5),
    ("x", 1, 4, 1, 8, 1, 0.5),
    ("x", 2, 1, 1, 2, 1, 0.5),
    ("loud", 1, 3, 2, 2, 4, 30),
    ("attention", 1, 2, 6, 2, 3, 0.5),
]
COUNTS = [
    (2, 3, 2),
    (3, 2, 4),
    (7, 45, 4),
    (16, 196, 12),
    (1, 9, 2),
    (5, 1, 6),
    (32, 784, 16),
    (33, 785, 14),
    (40, 130, 8),
]


def encoder(draw, name, l, depth, d):
    out = {f"{name}.norm.weight": draw(d), f"{name}.norm.bias": draw(d)}
    for part in (f"{name}.blocks.{i}" for i in range(depth)):
        for norm in ("attention_norm", "mlp_norm"):
            out |= {f"{part}.{norm}.weight": 1 + draw(d, scale=0.3), f"{part}.{norm}.bias": draw(d, scale=0.3)}
        for linear, rows, columns in (
            ("attention.qkv", 3 * d, d),
            ("attention.proj", d, d),
            ("mlp.0", d + 2, d),
            ("mlp.2", d, d + 2),
        ):
            out |= {f"{part}.{linear}.weight": draw(rows, columns, scale=0.5), f"{part}.{linear}.bias": draw(rows)}
    return out | {f"{name}.cls": draw(1, d), f"{name}.positions.table": draw(1 + l, d)}


def cases(exercise: str, seed: int = 0) -> Iterator[tuple[str, tuple]]:
    rng = np.random.default_rng([seed, int(exercise[-1]), 505])

    def draw(*shape, scale=1.0):
        return torch.from_numpy(rng.normal(0, scale, shape)).float()

    if exercise == "05.1":
        for b, c, t, h, w, s, p, q, d in CLIPS:
            yield "tubelet_embed", (draw(b, c, t * s, h * p, w * q), draw(d, c, s, p, q), draw(d))
            yield "inflate_central", (draw(d, c, p, q), s)
            yield "inflate_average", (draw(d, c, p, q), s)
    elif exercise == "05.2":
        for name, g, l, depth, heads, d, more in SEQUENCES:
            yield "encode", (draw(g, l, d), encoder(draw, name, l, depth + more, d), name, depth, heads)
        for b, t, n, depths, heads, d in FILMS:
            weights = encoder(draw, "temporal_encoder", t, depths[1], d) | encoder(
                draw, "spatial_encoder", n, depths[0], d
            )
            yield "factorised_encoder", (draw(b, t * n, d), weights, t, depths, heads)
    elif exercise == "05.3":
        for name, b, t, n, heads, e, scale in HEADS:
            d = heads * e
            weights = {
                "norm.weight": draw(d),
                f"{name}.proj.weight": draw(d, d),
                f"{name}.proj.bias": draw(d),
                f"{name}.qkv.weight": draw(3 * d, d, scale=scale),
                f"{name}.qkv.bias": draw(3 * d, scale=0.3),
            }
            yield "factorised_heads", (draw(b, t * n, d), weights, name, t, heads)
        for counts in COUNTS:
            yield "score_counts", counts
    else:
        for d, old, new in TABLES:
            yield "resize_table", (draw(math.prod(old), d), old, new)
        for b, grid, f, e in TURNS:
            yield "rotary", (draw(b, math.prod(grid), e), grid, draw(f).abs() + 0.1)
