"""ViT: an image is a sequence of patches (Dosovitskiy et al. 2021, arXiv:2010.11929).

The same computation, to the last digit, as timm's `vit_*_patch16_224`, whose weights load through `pretrained`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from videoformer_edu.attention.core import MultiHeadAttention, Where
from videoformer_edu.attention.patterns import Full, Pattern
from videoformer_edu.layers import EPS, MLP, DropPath, initialise, position_std
from videoformer_edu.positions import SpacePositions
from videoformer_edu.tokens import Grid, PatchEmbed, check_tensor, patches_per_side


class TransformerBlock(nn.Module):
    """Pre-norm block: attention among all the tokens it is given, then an MLP on each token; two residuals."""

    def __init__(self, *, width: int, heads: int, mlp_ratio: float = 4.0, drop_path: float = 0.0, gelu: str = "none",
                 eps: float = EPS):
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=eps)
        self.attention = MultiHeadAttention(width=width, heads=heads)
        self.mlp_norm = nn.LayerNorm(width, eps=eps)
        self.mlp = MLP(width=width, hidden=int(width * mlp_ratio), gelu=gelu)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, grid: Grid, *, recorded_as: Pattern | None = None) -> Tensor:
        """x `(..., [1 +] l, d)` -> the same shape. The rest only tells a recorded map where the tokens sit."""
        x = x + self.drop_path(self.attention(self.attention_norm(x), where=Where(recorded_as or Full(), grid)))
        return x + self.drop_path(self.mlp(self.mlp_norm(x)))


class ViT(nn.Module):
    """Image `(b, c, h, w)` -> logits `(b, classes)`.

    init: "published" draws all linear maps from a truncated normal of std 0.02, as the papers do, for training on
    millions of images or for loading weights. "from_scratch" keeps PyTorch's defaults and gives the position table
    std 1, which is what lets a model of this kind learn from thousands of small images.
    """

    def __init__(self, *, image_size: int = 224, patch_size: int = 16, width: int = 768, depth: int = 12,
                 heads: int = 12, classes: int = 1000, mlp_ratio: float = 4.0, channels: int = 3,
                 drop_path: float = 0.0, init: str = "published"):
        super().__init__()
        side = patches_per_side(image_size, patch_size)
        self.patch_embed = PatchEmbed(patch_size=patch_size, width=width, channels=channels)
        self.cls = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.space_positions = SpacePositions(h=side, w=side, width=width, std=position_std(init))
        self.blocks = nn.ModuleList(
            TransformerBlock(width=width, heads=heads, mlp_ratio=mlp_ratio, drop_path=drop_path * i / max(1, depth - 1))
            for i in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.head = nn.Linear(width, classes)
        initialise(self, init)

    def tokens(self, image: Tensor) -> tuple[Tensor, Grid]:
        """image `(b, c, h, w)` -> `(b, 1 + n, d)`, CLS first, after the last block and before the norm; the grid."""
        check_tensor(image, "images (b, c, h, w)")
        if image.ndim != 4:
            raise ValueError(f"expected images (b, c, h, w), got {tuple(image.shape)}")
        patches, grid = self.patch_embed(image[:, :, None])  # a video of one frame: (b, n, d)
        x = torch.cat([self.cls.expand(len(image), -1, -1), patches], dim=1)  # (b, 1 + n, d)
        x = x + self.space_positions(grid.h, grid.w)
        for block in self.blocks:
            x = block(x, grid)
        return x, grid

    def features(self, image: Tensor) -> Tensor:
        """image `(b, c, h, w)` -> `(b, d)`: the normed CLS token that the head reads."""
        return self.norm(self.tokens(image)[0])[:, 0]

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.features(image))


def vit_digits(**changes) -> ViT:
    """The small image model of the course: 32 x 32 pixels, 4 x 4 patches, ten digits."""
    return ViT(**dict(image_size=32, patch_size=4, width=64, depth=3, heads=4, classes=10, mlp_ratio=2.0,
                         init="from_scratch") | changes)


def vit_tiny_patch16_224(**changes) -> ViT:
    """ViT-Ti/16 of DeiT (5.7 M parameters, 1.26 G multiply-adds)."""
    return ViT(**dict(width=192, heads=3) | changes)


def vit_small_patch16_224(**changes) -> ViT:
    """ViT-S/16 (22.1 M parameters, 4.6 G multiply-adds)."""
    return ViT(**dict(width=384, heads=6) | changes)


def vit_base_patch16_224(**changes) -> ViT:
    """ViT-B/16 (86.6 M parameters, 17.6 G multiply-adds)."""
    return ViT(**changes)


def vit_large_patch16_224(**changes) -> ViT:
    """ViT-L/16 (304 M parameters, 61.6 G multiply-adds)."""
    return ViT(**dict(width=1024, depth=24, heads=16) | changes)
