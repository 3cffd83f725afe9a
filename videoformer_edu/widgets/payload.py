"""Attention maps as bytes: small enough to travel inside a notebook, exact enough to be quoted in words.

A map `(head, q, t, h, w)` becomes three arrays, one after the other, rows in the order `(head q)`:

    scale   uint16, little endian  the largest share in the row, times 65535, rounded up
    cls     uint16, little endian  what the row gives to no patch at all, which is CLS, times 65535
    values  uint8                  share / scale * 255 of every patch, rounded

Each row has its own scale, so a row that spreads its attention thinly loses no more than one that does not: a share is
wrong by at most scale / 510, below 0.2 percentage points.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

UNIT = 65535


def encode_map(attention: Tensor) -> bytes:
    """`(head, q, t, h, w)` shares of attention -> bytes. Raises ValueError when they are not shares (0 to 1 in sum)."""
    shares = attention.detach().cpu().double().flatten(2).numpy()  # (head, q, l)
    total = shares.sum(axis=-1)
    if not np.isfinite(shares).all() or shares.min() < 0 or total.max() > 1 + 1e-3:
        raise ValueError("an attention map holds shares: none below 0, each row at most 1 in sum; "
                         f"got {shares.min():.3g} to {shares.max():.3g}, sums up to {total.max():.3g}. "
                         "Pass probabilities (after the softmax), and do not rescale them: the explorer does")
    scale = np.ceil(shares.max(axis=-1).clip(max=1) * UNIT)  # (head, q)
    cls = np.rint((1 - total).clip(0, 1) * UNIT)
    values = np.rint(255 * shares / np.maximum(scale / UNIT, 1 / UNIT)[..., None]).clip(0, 255)
    return scale.astype("<u2").tobytes() + cls.astype("<u2").tobytes() + values.astype(np.uint8).tobytes()
