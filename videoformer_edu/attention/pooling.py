"""Pooling attention: fewer keys and values, and fewer queries where a stage begins (MViT, Fan et al. 2021, 3.1).

Neighbouring patches say much the same. With one key and value for `(1, 2, 2)` patches there are a quarter as many
pairs; the sequence itself gets shorter only where the queries are pooled, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.core import Attention, Where, attend
from videoformer_edu.attention.distances import RelativePositions
from videoformer_edu.attention.patterns import Full, Pattern, Place, check_grid, check_positive, token_numbers
from videoformer_edu.layers import EPS
from videoformer_edu.tokens import Grid

Stride = tuple[int, int, int]


def pooled_grid(grid: Grid, stride: Stride) -> Grid:
    """The grid that is left: a last box that is not full still counts."""
    return Grid(*(ceil(size / step) for size, step in zip(check_grid(grid), stride, strict=True)))


@dataclass(frozen=True)
class Pooled(Pattern):
    """Every pooled query looks at every pooled key: joint attention between two smaller grids.

    kv_stride, q_stride: `(t, h, w)`, how many patches along each axis become one key, one query.
    """

    kv_stride: Stride
    q_stride: Stride = (1, 1, 1)

    def __post_init__(self):
        for name, stride in (("kv_stride", self.kv_stride), ("q_stride", self.q_stride)):
            if not isinstance(stride, tuple) or len(stride) != 3:
                raise ValueError(f"{name} must be a tuple of three numbers (t, h, w), got {stride!r}")
            check_positive("Pooled", **{f"{name} {axis}": step for axis, step in zip("thw", stride, strict=True)})

    def query_grid(self, grid: Grid) -> Grid:
        return pooled_grid(grid, self.q_stride)

    def key_grid(self, grid: Grid) -> Grid:
        return pooled_grid(grid, self.kv_stride)

    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        return Full().looks(query, key, grid)

    def pairs(self, grid: Grid) -> int:
        return self.query_grid(grid).l * self.key_grid(grid).l

    def groups(self, grid: Grid) -> Tensor:
        return token_numbers(self.query_grid(grid)).reshape(1, -1)

    def keys(self, grid: Grid, key_grid: Grid) -> Tensor:
        return token_numbers(key_grid).reshape(1, -1)


def to_map(patches: Tensor, grid: Grid) -> Tensor:
    """`(b, t*h*w, d)` -> `(b, d, t, h, w)`: a view, channels last in memory, as the kernels of pooling like it best."""
    return patches.unflatten(1, tuple(grid)).movedim(-1, 1)


class HeadPool(nn.Module):
    """Pools queries, keys or values: a depthwise 3 x 3 x 3 convolution that all heads share, then a norm.

    CLS has no place on the grid: it goes round the convolution, but through the norm.
    """

    def __init__(self, *, stride: Stride, channels: int):
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv3d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False)
        self.norm = nn.LayerNorm(channels, eps=EPS)

    def forward(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        """x `(b, [1 +] t*h*w, head, e)` -> `(b, head, [1 +] t'*h'*w', e)` and the pooled grid."""
        cls, heads = x.shape[1] - grid.l, x.shape[2]  # 1 with CLS, 0 without
        x = x.flatten(2)  # (b, [1 +] l, head*e)
        weight = self.conv.weight.repeat(heads, 1, 1, 1, 1)  # one convolution for all heads
        pooled = F.conv3d(to_map(x[:, cls:], grid), weight, stride=self.stride, padding=1, groups=x.shape[2])
        x = torch.cat([x[:, :cls], rearrange(pooled, "b d t h w -> b (t h w) d")], dim=1)
        return self.norm(x.unflatten(2, (heads, -1))).transpose(1, 2), Grid(*pooled.shape[2:])


class PoolingAttention(Attention):
    """Attention whose queries, keys and values are pooled on their grids: `(b, [1 +] l, d)` -> `(b, [1 +] l', out)`.

    Computes the pattern `Pooled(kv_stride, q_stride)`; a CLS token in front is not pooled. out: the width that leaves,
    by default the one that came in. pool_queries: whether queries pass a convolution at all (False needs `q_stride` 1).
    residual: add the pooled queries to the result, CLS left out (version 2, equation 3). distances: the grid that the
    tables of relative positions are made for, drawn with `std`; None: no relative positions.
    """

    def __init__(self, *, width: int, heads: int, kv_stride: Stride, q_stride: Stride = (1, 1, 1),
                 out: int | None = None, pool_queries: bool = True, residual: bool = False,
                 distances: Grid | None = None, std: float = 0.02):
        out = out or width
        super().__init__(width=out, heads=heads)
        self.pattern = Pooled(tuple(kv_stride), tuple(q_stride))
        if not pool_queries and self.pattern.q_stride != (1, 1, 1):
            raise ValueError(f"pool_queries=False leaves the queries where they are, so q_stride must be (1, 1, 1), "
                             f"got {self.pattern.q_stride}")
        self.residual = residual
        self.qkv = nn.Linear(width, 3 * out)
        self.proj = nn.Linear(out, out)
        self.pool_q = HeadPool(stride=self.pattern.q_stride, channels=out // heads) if pool_queries else None
        self.pool_k = HeadPool(stride=self.pattern.kv_stride, channels=out // heads)
        self.pool_v = HeadPool(stride=self.pattern.kv_stride, channels=out // heads)
        self.relative = RelativePositions(sizes=distances, width=out // heads, std=std) if distances else None

    def forward(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        """x `(b, [1 +] l, d)` -> `(b, [1 +] l', out)` on the grid of the pooled queries, and that grid."""
        cls = x.shape[1] - check_grid(grid).l
        if cls not in (0, 1):
            raise ValueError(f"expected {grid.l} patch tokens for the grid {tuple(grid)}, or one more with CLS, got "
                             f"{x.shape[1]}")
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(2)  # (b, [1 +] l, head, e)
        q, queries = self.pool_q(q, grid) if self.pool_q else (q.transpose(1, 2), grid)
        (k, keys), (v, _) = self.pool_k(k, grid), self.pool_v(v, grid)  # (b, head, [1 +] l', e)
        bias = self.relative(q, queries, keys) if self.relative else None
        out = attend(q, k, v, bias=bias, record=self.recorder(Where(self.pattern, grid)))
        if self.residual:
            out = torch.cat([out[:, :, :cls], out[:, :, cls:] + q[:, :, cls:]], dim=2)
        return self.proj(rearrange(out, "b head l e -> b l (head e)")), queries
