"""Pooling attention: fewer keys and values, and fewer queries where a stage ends (MViT, Fan et al. 2021, section 3.1).

Neighbouring patches say much the same. Averaged over `(1, 2, 2)` patches, keys and values are a quarter as many and so
are the pairs; the sequence itself gets shorter only where the queries are pooled, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.core import MultiHeadAttention, Where, attend
from videoformer_edu.attention.patterns import Full, Pattern, Place, check_grid, check_positive, places, token_numbers
from videoformer_edu.tokens import Grid, to_grid

POOLS = ("mean", "conv")
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

    def allowed(self, grid: Grid) -> Tensor:
        query, key = places(self.query_grid(grid)), places(self.key_grid(grid))
        return self.looks(Place(*(x[:, None] for x in query)), key, grid)  # all true: (pooled l, pooled l')

    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        return Full().looks(query, key, grid)

    def pairs(self, grid: Grid) -> int:
        return self.query_grid(grid).l * self.key_grid(grid).l

    def groups(self, grid: Grid) -> Tensor:
        return token_numbers(self.query_grid(grid)).reshape(1, -1)

    def keys(self, grid: Grid, key_grid: Grid) -> Tensor:
        return token_numbers(key_grid).reshape(1, -1)


class PooledAttention(MultiHeadAttention):
    """Self-attention with pooled keys and values, and pooled queries: `(b, l, d)` -> `(b, l', d)` and the new grid.

    pool: "mean" averages each box of patches (no parameters; what is missing at the border is left out of the mean);
    "conv" is a depthwise 3 x 3 x 3 convolution, shared by the heads, with a LayerNorm after it, one for each of
    queries, keys and values (MViT). A stride of `(1, 1, 1)` leaves that part as it is in either case.
    """

    def __init__(self, *, width: int, heads: int, kv_stride: Stride, q_stride: Stride = (1, 1, 1), pool: str = "mean",
                 bias: bool = True):
        super().__init__(width=width, heads=heads, bias=bias)
        if pool not in POOLS:
            raise ValueError(f"pool must be one of {', '.join(POOLS)}; got {pool!r}")
        self.pattern = Pooled(tuple(kv_stride), tuple(q_stride))
        build = MeanPool if pool == "mean" else ConvPool
        strides = (self.pattern.q_stride, self.pattern.kv_stride, self.pattern.kv_stride)
        self.pool_q, self.pool_k, self.pool_v = (
            nn.Identity() if stride == (1, 1, 1) else build(stride=stride, channels=width // heads)
            for stride in strides)

    def forward(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        """x `(b, t*n, d)`, patches only -> tokens `(b, t'*n', d)` on the grid of the pooled queries, and that grid."""
        b = len(x)
        qkv = to_grid(self.qkv(x), grid).unflatten(-1, (3, self.heads, -1))  # (b, t, h, w, 3, head, e)
        qkv = rearrange(qkv, "b t h w three head e -> three (b head) e t h w")
        q, k, v = (rearrange(pool(part), "(b head) e t h w -> b head (t h w) e", b=b)
                   for pool, part in zip((self.pool_q, self.pool_k, self.pool_v), qkv, strict=True))
        queries, keys = self.pattern.query_grid(grid), self.pattern.key_grid(grid)
        out = attend(q, k, v, record=self.recorder(Where(Full(), queries, key_grid=keys)))
        return self.proj(rearrange(out, "b head l e -> b l (head e)")), queries


class MeanPool(nn.Module):
    """The mean of every box of `stride` patches: `(b, c, t, h, w)` -> `(b, c, t', h', w')`."""

    def __init__(self, *, stride: Stride, channels: int):
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        kernel = tuple(min(step, size) for step, size in zip(self.stride, x.shape[2:], strict=True))
        return F.avg_pool3d(x, kernel, kernel, ceil_mode=True, count_include_pad=False)


class ConvPool(nn.Module):
    """A depthwise convolution with a stride, then a norm over the channels; the shapes are MeanPool's."""

    def __init__(self, *, stride: Stride, channels: int):
        super().__init__()
        self.conv = nn.Conv3d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False)
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x).movedim(1, -1)).movedim(-1, 1)
