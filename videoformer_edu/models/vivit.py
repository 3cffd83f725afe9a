"""ViViT: a video vision transformer (Arnab et al. 2021, arXiv:2103.15691). All four models of the paper.

    variant                        where time is mixed in                                           reads
    "spatio_temporal"           1  everywhere: every tubelet with every tubelet                     CLS
    "factorised_encoder"        2  late: a spatial encoder for each step, then a temporal encoder   CLS of each encoder
    "factorised_self_attention" 3  in each block: attention over space, then over time              mean
    "factorised_dot_product"    4  in each attention: half of the heads in time, half in space      mean

As the published code (JAX) has them: pre-norm, LayerNorm eps 1e-6, GELU in its tanh form, pixels from -1 to 1. Models 3
and 4 have no CLS, because one token outside the grid has neither a frame nor a tube to attend to. Weights of the
published code, and of Hugging Face's port, which has model 1 alone, load through `pretrained` and give the same logits.
The port's `interpolate_pos_encoding=True` takes the rows of all steps for one square image and fails on any other clip
than the configured one; here tables are resized bicubic in space and linear in time, each axis by itself.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.divided import SpatialAttention, TemporalAttention
from videoformer_edu.attention.dot_product import FactorisedDotProductAttention
from videoformer_edu.attention.patterns import Pattern, Spatial
from videoformer_edu.layers import EPS, MLP, DropPath, position_std
from videoformer_edu.models.vit import TransformerBlock
from videoformer_edu.positions import JointPositions, SpacePositions, sincos_time
from videoformer_edu.tokens import Grid, TubeletEmbed, inflate, patches_per_side

VARIANTS = ("spatio_temporal", "factorised_encoder", "factorised_self_attention", "factorised_dot_product")
ORDERS = ("space_time", "time_space")
GELU = "tanh"  # up to 5e-4 away from the exact GELU of ViT and TimeSformer


class FactorisedSelfAttentionBlock(nn.Module):
    """Model 3: attention across space and attention along time, one residual and norm each, then an MLP (figure 5).

    order: "space_time" as in the paper, or "time_space", the default of the published code. The paper finds no
    difference.
    """

    def __init__(self, *, width: int, heads: int, mlp_ratio: float = 4.0, drop_path: float = 0.0,
                 order: str = "space_time"):
        super().__init__()
        if order not in ORDERS:
            raise ValueError(f"order must be one of {', '.join(ORDERS)}; got {order!r}")
        self.order = order
        self.spatial_norm = nn.LayerNorm(width, eps=EPS)
        self.spatial_attention = SpatialAttention(width=width, heads=heads, drop_path=drop_path)
        self.temporal_norm = nn.LayerNorm(width, eps=EPS)
        self.temporal_attention = TemporalAttention(width=width, heads=heads, drop_path=drop_path)
        self.mlp_norm = nn.LayerNorm(width, eps=EPS)
        self.mlp = MLP(width=width, hidden=int(width * mlp_ratio), gelu=GELU)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """x `(b, t*n, d)` -> the same shape."""
        for axis in self.order.split("_"):
            if axis == "space":
                x = x + self.spatial_attention(self.spatial_norm(x), grid)
            else:
                x = x + self.temporal_attention(self.temporal_norm(x), grid)
        return x + self.drop_path(self.mlp(self.mlp_norm(x)))


class FactorisedDotProductBlock(TransformerBlock):
    """Model 4: model 1's block with its heads shared out between time and space; the same parameters (figure 6)."""

    def __init__(self, *, width: int, heads: int, mlp_ratio: float = 4.0, drop_path: float = 0.0):
        super().__init__(width=width, heads=heads, mlp_ratio=mlp_ratio, drop_path=drop_path, gelu=GELU)
        self.attention = FactorisedDotProductAttention(width=width, heads=heads)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """x `(b, t*n, d)` -> the same shape."""
        x = x + self.drop_path(self.attention(self.attention_norm(x), grid))
        return x + self.drop_path(self.mlp(self.mlp_norm(x)))


class Encoder(nn.Module):
    """[CLS] + positions -> blocks -> norm -> one vector for the sequence: its CLS, or the mean where there is none.

    `positions` is called with the grid; `recorded_as` only tells a recorded map who looked at whom.
    """

    def __init__(self, *, positions: nn.Module, blocks: list[nn.Module], width: int,
                 recorded_as: Pattern | None = None):
        super().__init__()
        self.cls = nn.Parameter(torch.randn(1, width) * 0.02) if positions.cls else None
        self.positions = positions
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.options = {} if recorded_as is None else {"recorded_as": recorded_as}

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """x `(..., l, d)` -> `(..., d)`."""
        if self.cls is not None:
            x = torch.cat([self.cls.expand(*x.shape[:-2], 1, -1), x], dim=-2)
        x = x + (self.positions(grid.h, grid.w) if isinstance(self.positions, SpacePositions) else self.positions(grid))
        for block in self.blocks:
            x = block(x, grid, **self.options)
        return self.norm(x).mean(dim=-2) if self.cls is None else self.norm(x[..., 0, :])


class ViViT(nn.Module):
    """Video `(b, c, t, h, w)`, pixels from -1 to 1 -> logits `(b, classes)`.

    variant: see the table at the top of this file. `temporal_depth` belongs to the factorised encoder: blocks of its
    temporal encoder; 0 averages the frames instead, the paper's baseline. `order` belongs to the factorised
    self-attention. Clips of any length and size that the tubelets divide are accepted: positions are resized.
    init: "published" as the JAX code has it (Xavier for each linear map, q, k and v being three; CLS and head at 0, so
    fresh logits are all 0; tubelets that only see their central frame); "from_scratch": see `ViT`, and time starts from
    a sin-cos table.
    """

    def __init__(self, *, variant: str = "spatio_temporal", frames: int = 32, image_size: int = 224,
                 tubelet_size: int = 2, patch_size: int = 16, width: int = 768, depth: int = 12,
                 temporal_depth: int = 4, heads: int = 12, classes: int = 400, mlp_ratio: float = 4.0,
                 channels: int = 3, order: str = "space_time", drop_path: float = 0.0, init: str = "published"):
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}; got {variant!r}")
        if tubelet_size < 1 or frames < tubelet_size or frames % tubelet_size:
            raise ValueError(f"tubelet_size {tubelet_size} must divide frames {frames}")
        side = patches_per_side(image_size, patch_size)
        grid, std = Grid(frames // tubelet_size, side, side), position_std(init)
        self.variant = variant
        self.tubelet_embed = TubeletEmbed(tubelet_size=tubelet_size, patch_size=patch_size, width=width,
                                          channels=channels)

        def blocks(block: type[nn.Module], depth: int, **options) -> list[nn.Module]:
            return [block(width=width, heads=heads, mlp_ratio=mlp_ratio, drop_path=drop_path * i / max(1, depth - 1),
                          **options) for i in range(depth)]

        if variant == "factorised_encoder":
            places = SpacePositions(h=side, w=side, width=width, std=std)  # one table, shared by all steps
            self.spatial_encoder = Encoder(positions=places, width=width, recorded_as=Spatial(),
                                           blocks=blocks(TransformerBlock, depth, gelu=GELU))
            self.temporal_encoder = None
            if temporal_depth:
                steps = JointPositions(grid=Grid(grid.t, 1, 1), width=width, std=std)
                self.temporal_encoder = Encoder(positions=steps, width=width,
                                                blocks=blocks(TransformerBlock, temporal_depth, gelu=GELU))
        else:
            with_cls = variant == "spatio_temporal"
            block, options = {"spatio_temporal": (TransformerBlock, {"gelu": GELU}),
                              "factorised_self_attention": (FactorisedSelfAttentionBlock, {"order": order}),
                              "factorised_dot_product": (FactorisedDotProductBlock, {})}[variant]
            positions = JointPositions(grid=grid, width=width, cls=with_cls, std=std)
            self.encoder = Encoder(positions=positions, width=width, blocks=blocks(block, depth, **options))
        self.head = nn.Linear(width, classes)
        self._initialise(init)

    @torch.no_grad()
    def _initialise(self, init: str) -> None:
        if init == "from_scratch":
            if getattr(self, "temporal_encoder", None):
                table = self.temporal_encoder.positions.table
                table[1:] = sincos_time(len(table) - 1, table.shape[1]).to(table)
            return
        for name, p in self.named_parameters():
            if name.endswith("cls") or name.startswith("head."):
                nn.init.zeros_(p)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear) and name != "head":
                for weight in module.weight.chunk(3) if name.endswith("qkv") else [module.weight]:
                    nn.init.xavier_uniform_(weight)
                nn.init.zeros_(module.bias)
        weight = self.tubelet_embed.proj.weight
        weight.copy_(inflate(weight[:, :, weight.shape[2] // 2].clone(), weight.shape[2]))

    def features(self, video: Tensor) -> Tensor:
        """video `(b, c, t, h, w)` -> `(b, d)`: the normed CLS token, or the mean of the normed tokens."""
        x, grid = self.tubelet_embed(video)  # (b, t*n, d)
        if self.variant != "factorised_encoder":
            return self.encoder(x, grid)
        x = self.spatial_encoder(rearrange(x, "b (t n) d -> b t n d", t=grid.t), grid)  # (b, t, d)
        return x.mean(dim=1) if self.temporal_encoder is None else self.temporal_encoder(x, Grid(grid.t, 1, 1))

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.features(video))


# ------------------------------------------------------------------------------------------------- published sizes


def vivit_motion(**changes) -> ViViT:
    """The small video model of the course: 8 frames of 32 x 32 pixels, tubelets of 2 x 8 x 8, eight directions."""
    return ViViT(**dict(frames=8, image_size=32, tubelet_size=2, patch_size=8, width=64, depth=2, temporal_depth=2,
                           heads=4, classes=8, mlp_ratio=2.0, init="from_scratch") | changes)


def vivit_base(**changes) -> ViViT:
    """ViViT-B/16x2, 32 frames: model 1 has 89.0 M parameters and 451.5 G multiply-adds; pass `variant=` for the others.

    Model 2: 115.1 M, 283.3 G. Model 3: 117.3 M, 371.1 G. Model 4: 89.0 M, 276.2 G.
    """
    return ViViT(**changes)


def vivit_large(**changes) -> ViViT:
    """ViViT-L/16x2, 32 frames; with variant="factorised_encoder" the paper's ViViT-L/16x2 FE (606.8 M parameters).

    Its temporal encoder is 24 deep in the published configurations for Kinetics-400 and -600, as here, and 4 deep in
    those for Epic Kitchens and Something-Something v2: pass temporal_depth=4 (354.9 M).
    """
    return ViViT(**dict(width=1024, depth=24, temporal_depth=24, heads=16) | changes)
