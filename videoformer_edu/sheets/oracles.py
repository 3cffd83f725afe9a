"""What the oracles of all sheets are made of: a linear map, norm, MLP and attention, token by token in float64.

Plain loops, slow on purpose, and no line shared with the modules that they judge.
"""

from __future__ import annotations

import math

import numpy as np

EPS = 1e-6


def linear(token: np.ndarray, weights: dict, name: str) -> np.ndarray:
    """One token `(d,)` through one linear map."""
    return weights[f"{name}.weight"].astype(np.float64) @ token + weights[f"{name}.bias"]


def is_own_value(x: np.ndarray, weights: dict, out: np.ndarray) -> bool:
    """Is out (d,) what a token (d,) with nobody but itself to look at gets: its own value, through `attention.proj`?"""
    value = linear(x.astype(np.float64), weights, "attention.qkv")[2 * len(x):]
    return np.abs(out - linear(value, weights, "attention.proj")).max() < 1e-4


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


def taps(place: int, old: int, new: int) -> list[tuple[int, float]]:
    """Which four of `old` places a new one is made of, and their weights: cubic convolution (Keys 1981), a = -0.75.

    A place is a square and its value sits in the middle: place i of n stands at (i + 1/2) / n. Beyond the edge the
    outermost place is repeated.
    """
    middle = (place + 0.5) * old / new - 0.5
    first = math.floor(middle) - 1
    return [(min(max(i, 0), old - 1), cubic(abs(middle - i))) for i in range(first, first + 4)]


def cubic(x: float, a: float = -0.75) -> float:
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0
