"""The oracle's own arithmetic: attention, norm and MLP one token at a time, in float64. Slow on purpose."""

from __future__ import annotations

import math

import numpy as np

EPS = 1e-6


def linear(token: np.ndarray, weights: dict, name: str) -> np.ndarray:
    """One token `(d,)` through one linear map."""
    return weights[f"{name}.weight"].astype(np.float64) @ token + weights[f"{name}.bias"]


def layer_norm(token: np.ndarray, weights: dict, name: str) -> np.ndarray:
    """One token `(d,)`: mean 0, variance 1 (with eps 1e-6), then the learned scale and shift."""
    token = np.asarray(token, dtype=np.float64)
    mean = token.sum() / len(token)
    variance = ((token - mean) ** 2).sum() / len(token)
    return (token - mean) / math.sqrt(variance + EPS) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def mlp(token: np.ndarray, weights: dict) -> np.ndarray:
    """Linear, exact GELU, linear."""
    hidden = linear(token, weights, "mlp.0")
    hidden = np.array([0.5 * value * (1 + math.erf(value / math.sqrt(2))) for value in hidden])
    return linear(hidden, weights, "mlp.2")


def attention(tokens: list[np.ndarray], weights: dict, name: str, heads: int) -> list[np.ndarray]:
    """Every token of a group looks at every token of the group: a list of `(d,)` in, a list of `(d,)` out."""
    d = len(tokens[0])
    e = d // heads
    made = [linear(token, weights, f"{name}.qkv") for token in tokens]  # (3*d,) each: queries, keys, values
    out = []
    for query in made:
        mixed = np.zeros(d)
        for head in range(heads):
            q = query[head * e:(head + 1) * e]
            scores = [float(q @ key[d + head * e:d + (head + 1) * e]) / math.sqrt(e) for key in made]
            top = max(scores)
            total = sum(math.exp(score - top) for score in scores)
            for score, value in zip(scores, made, strict=True):
                share = math.exp(score - top) / total
                mixed[head * e:(head + 1) * e] += share * value[2 * d + head * e:2 * d + (head + 1) * e]
        out.append(linear(mixed, weights, f"{name}.proj"))
    return out


def spatial_attention(x: np.ndarray, weights: dict, t: int, heads: int) -> np.ndarray:
    """x `(b, 1 + t*n, d)` -> its update: frame by frame with a copy of CLS, the copies' updates averaged."""
    out = np.zeros(x.shape)
    n = (x.shape[1] - 1) // t
    for clip in range(len(x)):
        for frame in range(t):
            first = 1 + frame * n
            group = [x[clip, 0], *(x[clip, first + place] for place in range(n))]
            group = attention([token.astype(np.float64) for token in group], weights, "spatial_attention.attention",
                              heads)
            out[clip, 0] += group[0] / t
            for place in range(n):
                out[clip, first + place] = group[1 + place]
    return out


def divided_block(x: np.ndarray, weights: dict, t: int, heads: int) -> np.ndarray:
    """x `(b, 1 + t*n, d)` -> the same shape: time, space, MLP, each on normed tokens, each added to what was "
      "there."""
    x = x.astype(np.float64)
    n = (x.shape[1] - 1) // t
    after_time = x.copy()
    for clip in range(len(x)):
        for place in range(n):
            rows = [1 + frame * n + place for frame in range(t)]
            tube = [layer_norm(x[clip, row], weights, "temporal_norm") for row in rows]
            for row, token in zip(rows, attention(tube, weights, "temporal_attention.attention", heads), strict=True):
                after_time[clip, row] += linear(token, weights, "temporal_projection")
    normed = np.array([[layer_norm(token, weights, "spatial_norm") for token in clip] for clip in after_time])
    after_space = after_time + spatial_attention(normed, weights, t, heads)
    return np.array([[token + mlp(layer_norm(token, weights, "mlp_norm"), weights) for token in clip]
                     for clip in after_space])
