"""Video Swin Transformer (Liu et al. 2022, arXiv:2106.13230): attention in local 3-D windows that shift, and a pyramid.

Each layer looks only inside windows of 8 x 7 x 7 tokens; every other layer moves the windows by half, so that
information crosses their borders. Between stages 2 x 2 neighbouring tokens of a frame merge into one of twice the
width: the deeper, the coarser in space; time keeps its steps. The same computation as torchvision's `swin3d_t/s/b` and
the official code, whose weights load through `pretrained`.
"""

from __future__ import annotations

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.windows import WindowAttention
from videoformer_edu.layers import MLP, DropPath, initialise
from videoformer_edu.tokens import Grid, TubeletEmbed, to_grid

EPS = 1e-5  # unlike ViT, TimeSformer and ViViT (1e-6)


class SwinBlock(nn.Module):
    """Pre-norm block of window attention and an MLP; two residuals (section 3.1, figure 2)."""

    def __init__(self, *, width: int, heads: int, window: tuple[int, int, int], shift: tuple[int, int, int],
                 mlp_ratio: float = 4.0, drop_path: float = 0.0, reference_quirks: bool = False):
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=EPS)
        self.attention = WindowAttention(width=width, heads=heads, window=window, shift=shift,
                                         reference_quirks=reference_quirks)
        self.mlp_norm = nn.LayerNorm(width, eps=EPS)
        self.mlp = MLP(width=width, hidden=int(width * mlp_ratio))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """x `(b, t*h*w, d)` -> the same shape."""
        x = x + self.drop_path(self.attention(self.attention_norm(x), grid))  # pads after the norm, with true zeros
        return x + self.drop_path(self.mlp(self.mlp_norm(x)))


class PatchMerging(nn.Module):
    """Four neighbours of a frame become one token of twice the width: `(b, t*h*w, d)` -> `(b, t*h/2*w/2, 2d)`.

    Space only: motion needs its time steps. A row or column without a partner gets zeros.
    """

    def __init__(self, *, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * width, eps=EPS)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        x = F.pad(to_grid(x, grid), (0, 0, 0, grid.w % 2, 0, grid.h % 2))  # (b, t, h, w, d)
        merged = Grid(grid.t, x.shape[2] // 2, x.shape[3] // 2)
        x = rearrange(x, "b t (h row) (w col) d -> b (t h w) (col row d)", row=2, col=2)  # down a column first
        return self.reduction(self.norm(x)), merged


class SwinStage(nn.Module):
    """Blocks on one grid, plain and shifted windows in turn; before them, but for the first stage, patch merging."""

    def __init__(self, *, blocks: list[SwinBlock], merging: PatchMerging | None):
        super().__init__()
        self.merging = merging
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        if self.merging is not None:
            x, grid = self.merging(x, grid)
        for block in self.blocks:
            x = block(x, grid)
        return x, grid


class VideoSwin(nn.Module):
    """Video `(b, c, t, h, w)` -> logits `(b, classes)`. Any clip: no table of absolute positions has to fit.

    width: of the first stage, doubled in each next one. depths, heads: for each stage. window: `(t, h, w)` in *tokens*;
    the published 8 x 7 x 7 are 16 frames of 28 x 28 pixels in the first stage. drop_path: of the last block, rising
    linearly from 0 in the first.

    Clips that tubelets or windows do not fill are padded with zeros, as published. Where a grid is no longer than the
    window along an axis, the window shrinks to it. The published code then looks up wrong distances if that axis is
    height or width (maps below 7 x 7, so clips below 224 pixels); `reference_quirks=True` repeats that, to have the
    published logits there. See `WindowAttention`.
    init: see `ViT`.
    """

    def __init__(self, *, tubelet_size: int = 2, patch_size: int = 4, width: int = 96,
                 depths: tuple[int, ...] = (2, 2, 6, 2), heads: tuple[int, ...] = (3, 6, 12, 24),
                 window: tuple[int, int, int] = (8, 7, 7), classes: int = 400, mlp_ratio: float = 4.0,
                 channels: int = 3, drop_path: float = 0.0, reference_quirks: bool = False, init: str = "published"):
        super().__init__()
        if len(depths) != len(heads) or not depths:
            raise ValueError(f"every stage needs a depth and a number of heads, got depths={depths} and heads={heads}")
        if init not in ("published", "from_scratch"):
            raise ValueError(f'init must be "published" or "from_scratch", got {init!r}')
        self.tubelet_embed = TubeletEmbed(tubelet_size=tubelet_size, patch_size=patch_size, width=width,
                                          channels=channels)
        self.tubelet_norm = nn.LayerNorm(width, eps=EPS)
        half = tuple(size // 2 for size in window)
        rates = (drop_path * layer / max(1, sum(depths) - 1) for layer in range(sum(depths)))
        self.stages = nn.ModuleList()
        for i, (depth, stage_heads) in enumerate(zip(depths, heads, strict=True)):
            blocks = [SwinBlock(width=width * 2**i, heads=stage_heads, window=tuple(window),
                                shift=half if j % 2 else (0, 0, 0), mlp_ratio=mlp_ratio, drop_path=next(rates),
                                reference_quirks=reference_quirks) for j in range(depth)]
            self.stages.append(SwinStage(blocks=blocks, merging=PatchMerging(width=width * 2**(i - 1)) if i else None))
        self.norm = nn.LayerNorm(width * 2**i, eps=EPS)
        self.head = nn.Linear(width * 2**i, classes)
        initialise(self, init)

    def embed(self, video: Tensor) -> tuple[Tensor, Grid]:
        """video -> tokens `(b, t*h*w, d)` of the first stage and their grid."""
        if isinstance(video, Tensor) and video.ndim == 5:  # anything else is refused by the embedding
            t, h, w = (-size % step for size, step in zip(video.shape[2:], self.tubelet_embed.kernel, strict=True))
            video = F.pad(video, (0, w, 0, h, 0, t))
        x, grid = self.tubelet_embed(video)
        return self.tubelet_norm(x), grid

    def features(self, video: Tensor) -> Tensor:
        """video `(b, c, t, h, w)` -> `(b, 8 * width)` with four stages: the mean of all normed tokens."""
        x, grid = self.embed(video)
        for stage in self.stages:
            x, grid = stage(x, grid)
        return self.norm(x).mean(dim=1)

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.features(video))


# ------------------------------------------------------------------------------------------------- published sizes


def video_swin_motion(**changes) -> VideoSwin:
    """The small video model of the course: 8 frames of 32 x 32 pixels are 4 x 8 x 8 tokens, in windows of 2 x 4 x 4.

    139 k parameters.
    """
    return VideoSwin(**dict(width=32, depths=(2, 2), heads=(2, 4), window=(2, 4, 4), classes=8,
                            init="from_scratch") | changes)


def video_swin_tiny(**changes) -> VideoSwin:
    """Video Swin-T: 32 frames, 224 pixels (28.2 M parameters, 87.8 G multiply-adds)."""
    return VideoSwin(**changes)


def video_swin_small(**changes) -> VideoSwin:
    """Video Swin-S: 32 frames, 224 pixels (49.8 M parameters, 165.7 G multiply-adds)."""
    return VideoSwin(**dict(depths=(2, 2, 18, 2)) | changes)


def video_swin_base(**changes) -> VideoSwin:
    """Video Swin-B: 32 frames, 224 pixels (88.0 M parameters, 281.3 G multiply-adds)."""
    return VideoSwin(**dict(width=128, depths=(2, 2, 18, 2), heads=(4, 8, 16, 32)) | changes)


def video_swin_large(**changes) -> VideoSwin:
    """Video Swin-L: 32 frames, 224 pixels (197.0 M parameters, 603.3 G multiply-adds)."""
    return VideoSwin(**dict(width=192, depths=(2, 2, 18, 2), heads=(6, 12, 24, 48)) | changes)
