"""Learned distances: how far the key is from the query along each axis (MViT version 2, Li et al. 2022, 4.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from videoformer_edu.attention.constants import cached_constant
from videoformer_edu.positions import TimePositions
from videoformer_edu.tokens import Grid


class DistanceTable(TimePositions):
    """One learned vector for every signed distance along one axis, from -(size - 1) to size - 1."""

    def __init__(self, *, size: int, width: int, std: float):
        super().__init__(frames=2 * size - 1, width=width, start=std)

    def between(self, queries: int, keys: int) -> Tensor:
        """-> `(queries, keys, e)`; a table that was made for another size is resized, 1-D linear."""
        table = self(2 * max(queries, keys) - 1)
        return table[distances(queries, keys, table.device)]


@cached_constant
def distances(queries: int, keys: int, device: torch.device) -> Tensor:
    """`(queries, keys)`: which row of the table stands for the way from a query to a key, on the finer of the axes.

    Where keys are pooled by a factor of two more than queries, neighbouring keys are two steps apart. A factor that is
    no whole number rounds down, as published.
    """
    query, key = torch.arange(queries)[:, None], keys - 1 - torch.arange(keys)
    finer = query + key * queries // keys if queries >= keys else query * keys // queries + key
    return finer.to(device)


class RelativePositions(nn.Module):
    """How much each query likes a distance: q . (R_t + R_h + R_w), one table for each axis (version 2, equation 4)."""

    def __init__(self, *, sizes: Grid, width: int, std: float):
        super().__init__()
        self.t, self.h, self.w = (DistanceTable(size=size, width=width, std=std) for size in sizes)

    def forward(self, q: Tensor, grid: Grid, keys: Grid) -> Tensor:
        """q `(b, head, [1 +] l, e)` -> `(b, head, [1 +] l, [1 +] l')`, to add to the scores; 0 for CLS."""
        cls = q.shape[2] - grid.l  # 1 with CLS, 0 without
        q = q[:, :, cls:].unflatten(2, tuple(grid))  # (b, head, t, h, w, e)
        t = torch.einsum("bnthwe,tke->bnthwk", q, self.t.between(grid.t, keys.t))
        h = torch.einsum("bnthwe,hke->bnthwk", q, self.h.between(grid.h, keys.h))
        w = torch.einsum("bnthwe,wke->bnthwk", q, self.w.between(grid.w, keys.w))
        space = (h[..., :, None] + w[..., None, :]).flatten(-2)  # (b, head, t, h, w, h'*w')
        bias = (t[..., :, None] + space[..., None, :]).flatten(-2).flatten(2, 4)
        return F.pad(bias, (cls, 0, cls, 0))
