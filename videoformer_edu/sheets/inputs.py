"""What the cases of all sheets are made of: random tokens and weights, as the package names them."""

from __future__ import annotations

import numpy as np


def sizes(rng: np.random.Generator, *choices: tuple[int, ...]) -> tuple[int, ...]:
    """One of each, all different, so that no exchanged axis can hide."""
    for _ in range(1000):
        drawn = tuple(int(rng.choice(choice)) for choice in choices)
        if len(set(drawn)) == len(drawn):
            return drawn
    raise ValueError(f"no different sizes among {choices}")


def numbered(*shape: int) -> np.ndarray:
    """Tokens that tell where they come from: every number occurs once, in reading order."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def shuffled(rng: np.random.Generator, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same entries in another order: they are found by their names, not by their places."""
    return {name: weights[name] for name in rng.permutation(list(weights)).tolist()}


def tokens(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def linear(rng: np.random.Generator, name: str, rows: int, columns: int, gain: float = 1.0) -> dict[str, np.ndarray]:
    """A linear map whose outputs are about as large as its inputs, so that no softmax saturates."""
    return {f"{name}.weight": (gain * rng.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32),
            f"{name}.bias": (0.3 * rng.standard_normal(rows)).astype(np.float32)}


def attention(rng: np.random.Generator, name: str, width: int) -> dict[str, np.ndarray]:
    """qkv and proj of one attention, named as in the package's state dicts."""
    return linear(rng, f"{name}.qkv", 3 * width, width, 1.3) | linear(rng, f"{name}.proj", width, width)


def norm(rng: np.random.Generator, name: str, width: int) -> dict[str, np.ndarray]:
    """Scale and shift far enough from 1 and 0, and from the other norms', to be missed."""
    return {f"{name}.weight": (1 + 0.4 * rng.standard_normal(width)).astype(np.float32),
            f"{name}.bias": (0.4 * rng.standard_normal(width)).astype(np.float32)}


def divided_block(rng: np.random.Generator, width: int, hidden: int) -> dict[str, np.ndarray]:
    """The state dict of a `DividedSpaceTimeBlock` with an open gate."""
    return {**norm(rng, "temporal_norm", width), **attention(rng, "temporal_attention.attention", width),
            **linear(rng, "temporal_projection", width, width),
            **norm(rng, "spatial_norm", width), **attention(rng, "spatial_attention.attention", width),
            **norm(rng, "mlp_norm", width), **linear(rng, "mlp.0", hidden, width, 1.5),
            **linear(rng, "mlp.2", width, hidden)}


def twins(rng: np.random.Generator, t: int, n: int, width: int, changed: int) -> np.ndarray:
    """`(2, 1 + t*n, d)`: two clips that differ in the patches of one frame only."""
    clip = tokens(rng, 1, 1 + t * n, width)
    other = clip.copy()
    other[:, 1 + changed * n:1 + (changed + 1) * n] = tokens(rng, 1, n, width)
    return np.concatenate([clip, other])


def regions(b: int, t: int, n: int) -> tuple[dict[str, tuple], ...]:
    """By token (CLS, the patches of each frame) and by clip: where a message can point."""
    frames = {f"patches of frame {f}": np.s_[:, 1 + f * n:1 + (f + 1) * n] for f in range(t)}
    clips = {f"clip {c}": np.s_[c:c + 1] for c in range(b)} if b > 1 else {}
    return {"CLS": np.s_[:, :1], **frames}, clips
