"""MViT: multiscale vision transformers, versions 1 and 2 (Fan et al. 2021, arXiv:2104.11227; Li et al. 2022,
arXiv:2112.01526).

A pyramid, as in convolutional networks: from stage to stage the grid halves in height and width and the channels
double. What halves it is attention itself, whose queries are pooled; its keys and values are pooled harder still, so
that even the first stage, with 25 000 tokens of a clip, is affordable.

                            version 1                               version 2
    where a token is        tables for space, time and CLS, added   distances along t, h and w, in each attention
    queries are pooled      at the first block of a stage           in every block (stride 1 within a stage)
    channels double in      the MLP of a stage's last block         the attention of a stage's first block
    after the attention     -                                       the pooled queries are added

The same computation as torchvision's `mvit_v1_b` and `mvit_v2_s`, whose weights load through `pretrained`. Those are
tied to 16 frames of 224 x 224; here clips of any length and size are taken: tables are resized, convolutions pad.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.core import Attention, Where, attend
from videoformer_edu.attention.kept import made_once
from videoformer_edu.attention.patterns import Full
from videoformer_edu.attention.pooling import Stride
from videoformer_edu.layers import EPS, MLP, DropPath, initialise, position_std
from videoformer_edu.positions import SpacePositions, TimePositions
from videoformer_edu.tokens import Grid, check_video

ONE = (1, 1, 1)  # the stride that pools nothing
STEM = (2, 4, 4)


class OverlappingEmbed(nn.Module):
    """Boxes of 3 x 7 x 7 pixels every 2 x 4 x 4: neighbouring tokens share pixels. The border is padded with zeros."""

    def __init__(self, *, width: int, channels: int = 3):
        super().__init__()
        self.channels = channels
        self.proj = nn.Conv3d(channels, width, kernel_size=(3, 7, 7), stride=STEM, padding=(1, 3, 3))

    def forward(self, video: Tensor) -> tuple[Tensor, Grid]:
        """video `(b, c, t, h, w)` -> tokens `(b, t'*h'*w', d)` and their grid, which is rounded up."""
        check_video(video, self.channels, ONE)
        x = self.proj(video)
        return rearrange(x, "b d t h w -> b (t h w) d"), Grid(*x.shape[2:])


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
        """x `(b, 1 + t*h*w, head, e)` -> `(b, head, 1 + t'*h'*w', e)` and the pooled grid."""
        heads = x.shape[2]
        x = x.flatten(2)  # (b, 1 + l, head*e)
        weight = self.conv.weight.repeat(heads, 1, 1, 1, 1)  # one convolution for all heads
        pooled = F.conv3d(to_map(x[:, 1:], grid), weight, stride=self.stride, padding=1, groups=x.shape[2])
        x = torch.cat([x[:, :1], rearrange(pooled, "b d t h w -> b (t h w) d")], dim=1)
        return self.norm(x.unflatten(2, (heads, -1))).transpose(1, 2), Grid(*pooled.shape[2:])


class DistanceTable(TimePositions):
    """One learned vector for every signed distance along one axis, from -(size - 1) to size - 1."""

    def __init__(self, *, size: int, width: int, std: float):
        super().__init__(frames=2 * size - 1, width=width, start=std)

    def between(self, queries: int, keys: int) -> Tensor:
        """-> `(queries, keys, e)`; a table that was made for another size is resized, 1-D linear."""
        table = self(2 * max(queries, keys) - 1)
        return table[distances(queries, keys, table.device)]


@made_once
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
        """q `(b, head, 1 + l, e)` -> `(b, head, 1 + l, 1 + l')`, added to the scores; 0 for CLS, which has no place."""
        q = q[:, :, 1:].unflatten(2, tuple(grid))  # (b, head, t, h, w, e)
        t = torch.einsum("bnthwe,tke->bnthwk", q, self.t.between(grid.t, keys.t))
        h = torch.einsum("bnthwe,hke->bnthwk", q, self.h.between(grid.h, keys.h))
        w = torch.einsum("bnthwe,wke->bnthwk", q, self.w.between(grid.w, keys.w))
        space = (h[..., :, None] + w[..., None, :]).flatten(-2)  # (b, head, t, h, w, h'*w')
        bias = (t[..., :, None] + space[..., None, :]).flatten(-2).flatten(2, 4)
        return F.pad(bias, (1, 0, 1, 0))


class PoolingAttention(Attention):
    """Attention whose queries, keys and values are pooled on their grids: `(b, 1 + l, d)` -> `(b, 1 + l', out)`.

    residual: add the pooled queries to the result, CLS left out (version 2, equation 3).
    sizes: of the relative positions' tables; None: no relative positions.
    """

    def __init__(self, *, width: int, out: int, heads: int, q_stride: Stride, kv_stride: Stride, pool_queries: bool,
                 residual: bool, sizes: Grid | None, std: float):
        super().__init__(width=out, heads=heads)
        channels = out // heads
        self.residual = residual
        self.qkv = nn.Linear(width, 3 * out)
        self.proj = nn.Linear(out, out)
        self.pool_q = HeadPool(stride=q_stride, channels=channels) if pool_queries else None
        self.pool_k = HeadPool(stride=kv_stride, channels=channels)
        self.pool_v = HeadPool(stride=kv_stride, channels=channels)
        self.relative = None if sizes is None else RelativePositions(sizes=sizes, width=channels, std=std)

    def forward(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        """x `(b, 1 + l, d)` -> `(b, 1 + l', out)` on the grid of the pooled queries, and that grid."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(2)  # (b, 1 + l, head, e)
        q, queries = (q.transpose(1, 2), grid) if self.pool_q is None else self.pool_q(q, grid)
        (k, keys), (v, _) = self.pool_k(k, grid), self.pool_v(v, grid)
        bias = None if self.relative is None else self.relative(q, queries, keys)
        out = attend(q, k, v, record=self.recorder(Where(Full(), queries, True, keys)), bias=bias)
        if self.residual:
            out = torch.cat([out[:, :, :1], out[:, :, 1:] + q[:, :, 1:]], dim=2)
        return self.proj(rearrange(out, "b head l e -> b l (head e)")), queries


class MultiscaleBlock(nn.Module):
    """Pooling attention, then an MLP; the skip of a block that pools its queries is max-pooled.

    Where channels double, the skip is widened by a linear map *of the normed input*: around the MLP (version 1,
    `mlp_out`) or around the attention (version 2, `attention_out`).
    """

    def __init__(self, *, width: int, attention_out: int, mlp_out: int, mlp_ratio: float, drop_path: float,
                 **attention):
        super().__init__()
        self.stride = attention["q_stride"]
        self.attention_norm = nn.LayerNorm(width, eps=EPS)
        self.attention = PoolingAttention(width=width, out=attention_out, **attention)
        self.attention_skip = nn.Linear(width, attention_out) if attention_out != width else None
        self.mlp_norm = nn.LayerNorm(attention_out, eps=EPS)
        self.mlp = MLP(width=attention_out, hidden=int(attention_out * mlp_ratio), out=mlp_out)
        self.mlp_skip = nn.Linear(attention_out, mlp_out) if mlp_out != attention_out else None
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        """x `(b, 1 + l, d)` -> `(b, 1 + l', mlp_out)` and its grid."""
        normed = self.attention_norm(x)
        update, pooled = self.attention(normed, grid)
        skip = x if self.attention_skip is None else self.attention_skip(normed)
        x = self.pool_skip(skip, grid) + self.drop_path(update)
        normed = self.mlp_norm(x)
        skip = x if self.mlp_skip is None else self.mlp_skip(normed)
        return skip + self.drop_path(self.mlp(normed)), pooled

    def pool_skip(self, x: Tensor, grid: Grid) -> Tensor:
        """The maximum around every place that is left, CLS as it is."""
        if self.stride == ONE:
            return x
        kernel = tuple(step + (step > 1) for step in self.stride)
        pooled = F.max_pool3d(to_map(x[:, 1:], grid), kernel, self.stride, padding=tuple(k // 2 for k in kernel))
        return torch.cat([x[:, :1], rearrange(pooled, "b d t h w -> b (t h w) d")], dim=1)


class MViT(nn.Module):
    """Video `(b, c, t, h, w)` of any length and size -> logits `(b, classes)`.

    version: 1 or 2, see the table at the top of this file. stages: blocks of each stage. `width` and `heads` are the
    first stage's and double from stage to stage. q_stride: how a stage begins, but for the first; kv_stride: how the
    first stage pools keys and values; what queries have been pooled since is taken off. Strides are `(t, h, w)`.
    frames and image_size are what position tables are made for. dropout: before the head. init: see `ViT`.

    The head reads CLS, so the last block's patches are keys and values alone: what only places their queries (version
    2: the query pooling and the distances of that block) is published with the weights and has no effect.
    """

    def __init__(self, *, version: int, frames: int = 16, image_size: int = 224, width: int = 96, heads: int = 1,
                 stages: tuple[int, ...] = (1, 2, 11, 2), classes: int = 400, mlp_ratio: float = 4.0,
                 channels: int = 3, q_stride: Stride = (1, 2, 2), kv_stride: Stride = (1, 8, 8), drop_path: float = 0.0,
                 dropout: float = 0.0, init: str = "published"):
        super().__init__()
        if version not in (1, 2):
            raise ValueError(f"version must be 1 or 2, got {version!r}")
        if any(step != 1 and step % 2 for step in q_stride):
            raise ValueError(f"each step of q_stride must be 1 or even, got {tuple(q_stride)}: an odd one would pool "
                             "the queries and the tokens they are added to onto different grids")
        if not stages or min(stages) < 1:
            raise ValueError(f"stages must name the blocks of each stage, one at least, got {stages!r}")
        grid = Grid(*(max(1, size // step) for size, step in zip((frames, image_size, image_size), STEM, strict=True)))
        self.embed = OverlappingEmbed(width=width, channels=channels)
        self.cls = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.version = version
        if version == 1:
            self.space_positions = SpacePositions(h=grid.h, w=grid.w, width=width, std=position_std(init))
            start = 0.02 if init == "published" else "sincos"
            self.time_positions = TimePositions(frames=grid.t, width=width, start=start)
        std = 0.02 if init == "published" else (heads / width) ** 0.5  # from scratch: distances weigh as much as keys
        blocks, kv_stride = [], tuple(kv_stride)
        for stage, depth in enumerate(stages):
            for i in range(depth):
                stride = tuple(q_stride) if stage and i == 0 else ONE
                if stride != ONE:
                    kv_stride = tuple(max(kv // q, 1) for kv, q in zip(kv_stride, stride, strict=True))
                wider = width * 2 ** (stage + (i == depth - 1 and stage < len(stages) - 1))  # version 1: at the end
                here = width * 2**stage
                before = here // 2 if version == 2 and stage and i == 0 else here
                finer = (min(q, kv) for q, kv in zip(stride, kv_stride, strict=True))
                sizes = Grid(*(max(1, size // step) for size, step in zip(grid, finer, strict=True)))
                blocks.append(MultiscaleBlock(
                    width=before, attention_out=here, mlp_out=wider if version == 1 else here, mlp_ratio=mlp_ratio,
                    drop_path=drop_path * len(blocks) / max(1, sum(stages) - 1), heads=heads * 2**stage,
                    q_stride=stride, kv_stride=kv_stride, pool_queries=version == 2 or stride != ONE,
                    residual=version == 2, sizes=sizes if version == 2 else None, std=std))
                grid = Grid(*(max(1, size // step) for size, step in zip(grid, stride, strict=True)))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(here, eps=EPS)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(here, classes)
        initialise(self, init)

    def features(self, video: Tensor) -> Tensor:
        """video `(b, c, t, h, w)` -> `(b, d)`: the normed CLS token that the head reads."""
        x, grid = self.embed(video)
        cls = self.cls.expand(len(x), -1, -1)
        if self.version == 1:
            space, time = self.space_positions(grid.h, grid.w), self.time_positions(grid.t)
            x = x + (time[:, None] + space[1:]).flatten(0, 1)
            cls = cls + space[:1]
        x = torch.cat([cls, x], dim=1)  # (b, 1 + l, d)
        for block in self.blocks:
            x, grid = block(x, grid)
        return self.norm(x[:, 0])

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.dropout(self.features(video)))


def mvit_motion(**changes) -> MViT:
    """The small video model of the course: 8 frames of 32 x 32 pixels, three scales, eight directions of motion."""
    return MViT(**{**dict(version=2, frames=8, image_size=32, width=32, heads=1, stages=(1, 1, 2), kv_stride=(1, 4, 4),
                          classes=8, mlp_ratio=2.0, init="from_scratch"), **changes})


def mvit_v1_b(**changes) -> MViT:
    """MViT-B 16x4: 16 frames, 224 pixels (36.6 M parameters, 70.6 G multiply-adds); 32x3 is `frames=32`."""
    return MViT(**{**dict(version=1, drop_path=0.2, dropout=0.5), **changes})


def mvit_v2_s(**changes) -> MViT:
    """MViTv2-S 16x4: 16 frames, 224 pixels (34.5 M parameters, 64.2 G multiply-adds)."""
    return MViT(**{**dict(version=2, drop_path=0.2, dropout=0.5), **changes})
