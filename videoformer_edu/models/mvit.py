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

from collections.abc import Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.pooling import PoolingAttention, Stride, to_map
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


class BlockSizes(NamedTuple):
    """One row of the table that `pyramid` makes: what one block is made for."""

    width: int  # that comes in
    attention: int  # width after the attention
    out: int  # width after the MLP
    heads: int
    q_stride: Stride  # what the block takes off its own grid
    kv_stride: Stride  # how much coarser its keys are than its tokens
    grid: Grid  # the finer of the grids of queries and keys


def pyramid(*, version: int, stages: tuple[int, ...], grid: Grid, width: int, heads: int, q_stride: Stride,
            kv_stride: Stride) -> list[BlockSizes]:
    """The sizes of every block (version 1, table 3; version 2, table 1).

    A stage begins by pooling its queries, but for the first; keys and values are pooled by so much less from then on.
    Heads double with it, channels too: in the attention of that block (version 2), or already in the MLP of the block
    before it (version 1).
    """
    blocks = []
    for stage, depth in enumerate(stages):
        for i in range(depth):
            begins, ends = stage > 0 and i == 0, stage < len(stages) - 1 and i == depth - 1
            stride = q_stride if begins else ONE
            kv_stride = coarser(kv_stride, stride)
            wide = width * 2**stage
            blocks.append(BlockSizes(
                width=wide // 2 if begins and version == 2 else wide, attention=wide,
                out=wide * 2 if ends and version == 1 else wide, heads=heads * 2**stage, q_stride=stride,
                kv_stride=kv_stride, grid=Grid(*coarser(grid, map(min, stride, kv_stride)))))
            grid = Grid(*coarser(grid, stride))
    return blocks


def coarser(sizes: Iterable[int], steps: Iterable[int]) -> tuple[int, ...]:
    """Each size divided by its step, rounded down as published, 1 at least."""
    return tuple(max(1, size // step) for size, step in zip(sizes, steps, strict=True))


class MultiscaleBlock(nn.Module):
    """Pooling attention, then an MLP; the skip of a block that pools its queries is max-pooled.

    Where channels double, the skip is widened by a linear map *of the normed input*: around the MLP (version 1) or
    around the attention (version 2).
    """

    def __init__(self, sizes: BlockSizes, *, version: int, mlp_ratio: float, drop_path: float, std: float):
        super().__init__()
        width, wide, out = sizes.width, sizes.attention, sizes.out
        self.stride = sizes.q_stride
        self.attention_norm = nn.LayerNorm(width, eps=EPS)
        self.attention = PoolingAttention(
            width=width, out=wide, heads=sizes.heads, q_stride=sizes.q_stride, kv_stride=sizes.kv_stride,
            pool_queries=version == 2 or sizes.q_stride != ONE, residual=version == 2,
            distances=sizes.grid if version == 2 else None, std=std)
        self.attention_skip = nn.Linear(width, wide) if wide != width else None
        self.mlp_norm = nn.LayerNorm(wide, eps=EPS)
        self.mlp = MLP(width=wide, hidden=int(wide * mlp_ratio), out=out)
        self.mlp_skip = nn.Linear(wide, out) if out != wide else None
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        """x `(b, 1 + l, d)` -> `(b, 1 + l', out)` and its grid."""
        normed = self.attention_norm(x)
        update, pooled = self.attention(normed, grid)
        skip = self.attention_skip(normed) if self.attention_skip else x
        x = max_pool(skip, grid, self.stride) + self.drop_path(update)
        normed = self.mlp_norm(x)
        skip = self.mlp_skip(normed) if self.mlp_skip else x
        return skip + self.drop_path(self.mlp(normed)), pooled


def max_pool(x: Tensor, grid: Grid, stride: Stride) -> Tensor:
    """x `(b, 1 + l, d)` -> `(b, 1 + l', d)`: the maximum around every place that is left, CLS as it is."""
    if stride == ONE:
        return x
    kernel = tuple(step + (step > 1) for step in stride)
    pooled = F.max_pool3d(to_map(x[:, 1:], grid), kernel, stride, padding=tuple(k // 2 for k in kernel))
    return torch.cat([x[:, :1], rearrange(pooled, "b d t h w -> b (t h w) d")], dim=1)


class MViT(nn.Module):
    """Video `(b, c, t, h, w)` of any length and size -> logits `(b, classes)`.

    version: 1 or 2, see the table at the top of this file. stages: blocks of each stage. `width` and `heads` are the
    first stage's and double from stage to stage. q_stride: how a stage begins, but for the first; kv_stride: how the
    first stage pools keys and values; what queries have been pooled since is taken off. Strides are `(t, h, w)`.
    frames and image_size are what position tables are made for. dropout: before the head. init: see `ViT`; "published"
    as SlowFast's code has it, with biases of 0.02.

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
        self.version = version
        self.embed = OverlappingEmbed(width=width, channels=channels)
        self.cls = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        grid = Grid(*coarser((frames, image_size, image_size), STEM))
        if version == 1:
            self.space_positions = SpacePositions(h=grid.h, w=grid.w, width=width, std=position_std(init))
            start = 0.02 if init == "published" else "sincos"
            self.time_positions = TimePositions(frames=grid.t, width=width, start=start)
        std = 0.02 if init == "published" else (heads / width) ** 0.5  # from scratch: distances weigh as much as keys
        sizes = pyramid(version=version, stages=stages, grid=grid, width=width, heads=heads, q_stride=tuple(q_stride),
                        kv_stride=tuple(kv_stride))
        self.blocks = nn.ModuleList(
            MultiscaleBlock(block, version=version, mlp_ratio=mlp_ratio, std=std,
                            drop_path=drop_path * i / max(1, len(sizes) - 1))
            for i, block in enumerate(sizes)
        )
        self.norm = nn.LayerNorm(sizes[-1].out, eps=EPS)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(sizes[-1].out, classes)
        initialise(self, init)
        if init == "published":
            self.start_as_published()

    @torch.no_grad()
    def start_as_published(self) -> None:
        """What SlowFast's code does beyond `initialise`: biases start at 0.02, convolutions as the linear maps do."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.LayerNorm):
                nn.init.constant_(module.bias, 0.02)
            elif isinstance(module, nn.Conv3d):
                nn.init.trunc_normal_(module.weight, std=0.02)

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
    return MViT(**dict(version=2, frames=8, image_size=32, width=32, heads=1, stages=(1, 1, 2), kv_stride=(1, 4, 4),
                       classes=8, mlp_ratio=2.0, init="from_scratch") | changes)


def mvit_display(**changes) -> MViT:
    """The same for frames of 64 x 64 pixels, 16 x 16 tokens a frame in the first stage: for pictures of attention."""
    return mvit_motion(**dict(image_size=64) | changes)


def mvit_v1_b(**changes) -> MViT:
    """MViT-B 16x4: 16 frames, 224 pixels (36.6 M parameters, 70.6 G multiply-adds).

    `frames=32` is pytorchvideo's 32x3; the file of that name in SlowFast's repository has 24 blocks.
    """
    return MViT(**dict(version=1, drop_path=0.2, dropout=0.5) | changes)


def mvit_v2_s(**changes) -> MViT:
    """MViTv2-S 16x4: 16 frames, 224 pixels (34.5 M parameters, 64.2 G multiply-adds)."""
    return MViT(**dict(version=2, drop_path=0.2, dropout=0.5) | changes)


def mvit_v2_b(**changes) -> MViT:
    """MViTv2-B 32x3: 32 frames, 224 pixels (51.2 M parameters, 224.5 G multiply-adds)."""
    return MViT(**dict(version=2, frames=32, stages=(2, 3, 16, 3), drop_path=0.3, dropout=0.5) | changes)


def mvit_v2_l(**changes) -> MViT:
    """MViTv2-L 40x3: 40 frames, 312 pixels (213.4 M parameters, 2823.4 G multiply-adds)."""
    return MViT(**dict(version=2, frames=40, image_size=312, width=144, heads=2, stages=(2, 6, 36, 4), drop_path=0.75,
                       dropout=0.5) | changes)
