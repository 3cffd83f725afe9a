"""The judge of 07.1: pooling attention token by token, in plain loops."""

from __future__ import annotations

import math

import numpy as np

from videoformer_edu.grading.spec import Case
from videoformer_edu.sheets import oracles


def oracle_pool(x: np.ndarray, weights: dict, name: str, grid: tuple, stride: tuple) -> np.ndarray:
    """One head of one clip `(1 + l, e)` -> `(1 + l', e)`."""
    t, h, w = grid
    filters = weights[f"{name}.conv.weight"].astype(np.float64)
    out = [x[0].astype(np.float64)]
    for i in range(0, t, stride[0]):
        for j in range(0, h, stride[1]):
            for k in range(0, w, stride[2]):
                made = np.zeros(x.shape[1])
                for a, p, q in np.ndindex(3, 3, 3):
                    y, r, c = i + a - 1, j + p - 1, k + q - 1
                    if 0 <= y < t and 0 <= r < h and 0 <= c < w:
                        made += filters[:, 0, a, p, q] * x[1 + (y * h + r) * w + c]
                out.append(made)
    return np.array([oracles.layer_norm(token, weights, f"{name}.norm") for token in out])


def oracle(case: Case) -> np.ndarray:
    given = case.inputs
    x, weights, name, grid = given["x"], given["weights"], given["name"], given["grid"]
    if case.function == "pool":
        return np.array([[oracle_pool(one, weights, name, grid, given["stride"]) for one in clip] for clip in x])
    strides = {"q": given["q_stride"], "k": given["kv_stride"], "v": given["kv_stride"]}
    return np.array([oracle_attention(clip, weights, name, given["heads"], grid, strides) for clip in x])


def oracle_attention(x, weights: dict, name: str, heads: int, grid: tuple, strides: dict) -> np.ndarray:
    made = np.array([oracles.linear(token, weights, f"{name}.qkv") for token in x])  # (1 + l, 3*d)
    d = made.shape[1] // 3
    e = d // heads
    grids = {which: [len(range(0, size, step)) for size, step in zip(grid, stride, strict=True)]
             for which, stride in strides.items()}
    mixed = np.zeros((1 + math.prod(grids["q"]), d))
    for head in range(heads):
        own = {which: oracle_pool(made[:, i * d + head * e:i * d + (head + 1) * e], weights, f"{name}.pool_{which}",
                                  grid, strides[which]) for i, which in enumerate("qkv")}
        for i, query in enumerate(own["q"]):
            scores = own["k"] @ query / math.sqrt(e)
            for j in range(1, len(scores)) if i else ():
                scores[j] += query @ sum(
                    weights[f"{name}.relative.{axis}.table"][row(a, b, n, m)] for axis, a, b, n, m in zip(
                        "thw", np.unravel_index(i - 1, grids["q"]), np.unravel_index(j - 1, grids["k"]), grids["q"],
                        grids["k"], strict=True))
            shares = np.exp(scores - scores.max())
            mixed[i, head * e:(head + 1) * e] = shares / shares.sum() @ own["v"] + (query if i else 0)
    return np.array([oracles.linear(token, weights, f"{name}.proj") for token in mixed])


def row(query: int, key: int, queries: int, keys: int) -> int:
    """Of the table, on the finer of the two axes: distance 0 is its middle where both are equally fine."""
    size = max(queries, keys)
    return int(query) * size // queries + (keys - 1 - int(key)) * size // keys
