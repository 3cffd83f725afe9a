"""What is right in sheet 05 (05.1 and 05.4): loops in NumPy and float64, and many sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch

from tests.sheets.adversary import answers_05_1, answers_05_4
from tests.sheets.adversary.truth_01 import cubic
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


ORACLES = {
    "tubelet_embed": tubelet_embed,
    "inflate_central": inflate_central,
    "inflate_average": inflate_average,
    "resize_table": resize_table,
    "rotary": rotary,
}
REFERENCE = Answer("reference", answers_05_1.BASE + answers_05_4.BASE).functions()
EXACT: dict = {}
CLIPS = [(2, 3, 2, 3, 2, 2, 4, 3, 5), (2, 3, 2, 3, 2, 2, 4, 3, 5), (1, 1, 1, 1, 1, 1, 1, 1, 1), (3, 2, 3, 2, 4, 3, 2,
    2, 4), (1, 4, 4, 2, 3, 1, 3, 2, 6), (2, 1, 1, 4, 2, 5, 2, 4, 2), (2, 2, 3, 1, 5, 4, 1, 3, 1)]
TABLES = [(5, (3, 4, 2), (5, 3, 4)), (5, (3, 4, 2), (5, 3, 4)), (2, (2, 2, 2), (2, 4, 4)), (1, (4, 3, 3), (4, 3, 3)),
    (3, (1, 1, 1), (2, 3, 2)), (4, (6, 2, 5), (3, 4, 3)), (3, (4, 1, 1), (6, 1, 1)), (2, (2, 5, 3), (7, 2, 1)), (6,
    (8, 4, 6), (4, 6, 4)), (2, (3, 2, 2), (1, 1, 1))]
TURNS = [(2, (2, 3, 4), 2, 13), (2, (2, 3, 4), 2, 13), (1, (1, 1, 1), 1, 6), (3, (4, 2, 2), 1, 8), (1, (3, 1, 5), 3,
    18), (2, (1, 4, 3), 2, 16), (2, (5, 2, 1), 1, 7)]


def cases(exercise: str, seed: int = 0) -> Iterator[tuple[str, tuple]]:
    rng = np.random.default_rng([seed, int(exercise[-1]), 505])

    def draw(*shape, scale=1.0):
        return torch.from_numpy(rng.normal(0, scale, shape)).float()

    if exercise == "05.1":
        for b, c, t, h, w, s, p, q, d in CLIPS:
            yield "tubelet_embed", (draw(b, c, t * s, h * p, w * q), draw(d, c, s, p, q), draw(d))
            yield "inflate_central", (draw(d, c, p, q), s)
            yield "inflate_average", (draw(d, c, p, q), s)
    else:
        for d, old, new in TABLES:
            yield "resize_table", (draw(math.prod(old), d), old, new)
        for b, grid, f, e in TURNS:
            yield "rotary", (draw(b, math.prod(grid), e), grid, draw(f).abs() + 0.1)
