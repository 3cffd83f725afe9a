"""A video transformer that skips work: in every block, each patch looks at a few others, chosen by a sparse pattern.

The plainest model that a pattern fits into: ViViT's tubelets, TimeSformer's positions, and ViT's blocks with their
attention replaced. As in ViViT's models 3 and 4 there is no CLS, because a token outside the grid has no place in a
pattern; the head reads the mean.
"""

from __future__ import annotations

from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.patterns import Pattern
from videoformer_edu.attention.sparse import SparseAttention
from videoformer_edu.attention.sparse_patterns import SparseSpaceTime
from videoformer_edu.layers import EPS, initialise, position_std
from videoformer_edu.models.timesformer import start_from_scratch
from videoformer_edu.models.vit import TransformerBlock
from videoformer_edu.positions import SpacePositions, TimePositions
from videoformer_edu.tokens import Grid, TubeletEmbed, patches_per_side


class SparseBlock(TransformerBlock):
    """A ViT block that looks only where its pattern allows, at the cost of the pattern's pairs."""

    def __init__(self, *, width: int, heads: int, pattern: Pattern, mlp_ratio: float = 4.0, drop_path: float = 0.0):
        super().__init__(width=width, heads=heads, mlp_ratio=mlp_ratio, drop_path=drop_path)
        self.attention = SparseAttention(width=width, heads=heads, pattern=pattern)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """x `(b, t*n, d)` -> the same shape."""
        x = x + self.drop_path(self.attention(self.attention_norm(x), grid))
        return x + self.drop_path(self.mlp(self.mlp_norm(x)))


class SparseTransformer(nn.Module):
    """Video `(b, c, t, h, w)` -> logits `(b, classes)`; every block follows the same `pattern`.

    Clips of any length and size that the tubelets divide are accepted: positions are resized, bicubic in space and
    linear in time. init: see `ViT` and, for "from_scratch", TimeSformer's `start_from_scratch`.
    """

    def __init__(self, *, pattern: Pattern | None = None, frames: int = 8, image_size: int = 224,
                 tubelet_size: int = 2, patch_size: int = 16, width: int = 768, depth: int = 12, heads: int = 12,
                 classes: int = 400, mlp_ratio: float = 4.0, channels: int = 3, drop_path: float = 0.0,
                 init: str = "published"):
        super().__init__()
        side, pattern = patches_per_side(image_size, patch_size), pattern or SparseSpaceTime()
        if tubelet_size < 1 or frames < tubelet_size or frames % tubelet_size:
            raise ValueError(f"tubelet_size {tubelet_size} must divide frames {frames}")
        self.tubelet_embed = TubeletEmbed(tubelet_size=tubelet_size, patch_size=patch_size, width=width,
                                          channels=channels)
        self.space_positions = SpacePositions(h=side, w=side, width=width, cls=False, std=position_std(init))
        start = "zero" if init == "published" else "sincos"
        self.time_positions = TimePositions(frames=frames // tubelet_size, width=width, start=start)
        self.blocks = nn.ModuleList(
            SparseBlock(width=width, heads=heads, pattern=pattern, mlp_ratio=mlp_ratio,
                        drop_path=drop_path * i / max(1, depth - 1))
            for i in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.head = nn.Linear(width, classes)
        initialise(self, init)
        if init == "from_scratch":
            start_from_scratch(self.tubelet_embed, self.space_positions, self.time_positions)

    def features(self, video: Tensor) -> Tensor:
        """video `(b, c, t, h, w)` -> `(b, d)`: the mean of the normed tokens."""
        x, grid = self.tubelet_embed(video)
        x = rearrange(x, "b (t n) d -> b t n d", t=grid.t)
        x = x + self.space_positions(grid.h, grid.w) + self.time_positions(grid.t)[:, None]
        x = rearrange(x, "b t n d -> b (t n) d")
        for block in self.blocks:
            x = block(x, grid)
        return self.norm(x).mean(dim=1)

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.features(video))


def sparse_motion(**changes) -> SparseTransformer:
    """The small video model of the course: 8 frames of 32 x 32 pixels, tubelets of 2 x 8 x 8, eight directions.

    Each of its 64 tokens looks at 17 or 18: its own step, and its own place in the step before and after.
    """
    return SparseTransformer(**dict(frames=8, image_size=32, patch_size=8, width=64, depth=2, heads=4, classes=8,
                                    mlp_ratio=2.0, init="from_scratch") | changes)
