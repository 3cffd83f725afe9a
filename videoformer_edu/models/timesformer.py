"""TimeSformer: is space-time attention all you need? (Bertasius et al. 2021, arXiv:2102.05095)

Three ways to let the patches of a clip look at each other, as the published code does it; its weights (official key
names or Hugging Face's) load through `pretrained` and give the same logits.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.divided import SpatialAttention, TemporalAttention
from videoformer_edu.attention.patterns import Spatial
from videoformer_edu.attention.rotary import use_rotary
from videoformer_edu.layers import EPS, MLP, DropPath, initialise, position_std
from videoformer_edu.models.vit import TransformerBlock
from videoformer_edu.positions import NoPositions, SpacePositions, TimePositions, sincos_patches
from videoformer_edu.tokens import Grid, PatchEmbed, TubeletEmbed, patches_per_side

ATTENTIONS = ("divided", "joint", "space_only")


@torch.no_grad()
def start_from_scratch(patches: PatchEmbed | TubeletEmbed, places: SpacePositions, times: TimePositions | None, *,
                       space_scale: float = 1.0, time_scale: float = 2.0) -> None:
    """Starts what a small model adds up in a token, in place: patches with rms about 1, places and times in proportion.

    Positions start as sines, so that neighbours in space and time look alike, and are still learned. `space_scale` and
    `time_scale` are their rms. Time weighs twice as much where attention has to tell frames apart and nothing else;
    joint attention tells places apart by the same scores, and there both weigh the same.
    """
    table = places.table
    table[int(places.cls):] = space_scale * sincos_patches(*places.size, table.shape[1])
    patches.proj.weight.mul_(2)  # PyTorch's default leaves what a patch shows at half that size
    if times is not None:
        times.table.mul_(time_scale)


class DividedSpaceTimeBlock(nn.Module):
    """Attention along time, then across space, then an MLP; three norms, three residuals (figure 2 of the paper).

    `temporal_projection` starts at zero ("published"): at step 0 the block is an image model's block for each frame,
    and time is let in as training opens this one linear map.
    """

    def __init__(self, *, width: int, heads: int, mlp_ratio: float = 4.0, drop_path: float = 0.0):
        super().__init__()
        self.temporal_norm = nn.LayerNorm(width, eps=EPS)
        self.temporal_attention = TemporalAttention(width=width, heads=heads, drop_path=drop_path)
        self.temporal_projection = nn.Linear(width, width)
        self.spatial_norm = nn.LayerNorm(width, eps=EPS)
        self.spatial_attention = SpatialAttention(width=width, heads=heads, drop_path=drop_path)
        self.mlp_norm = nn.LayerNorm(width, eps=EPS)
        self.mlp = MLP(width=width, hidden=int(width * mlp_ratio))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """x `(b, 1 + t*n, d)`, CLS first -> the same shape."""
        cls, patches = x[:, :1], x[:, 1:]
        tubes = self.temporal_attention(self.temporal_norm(patches), grid)  # CLS takes no part in time
        patches = patches + self.temporal_projection(tubes)
        x = torch.cat([cls, patches], dim=1)
        x = x + self.spatial_attention(self.spatial_norm(x), grid)  # one copy of CLS in each frame, then their mean
        return x + self.drop_path(self.mlp(self.mlp_norm(x)))


class TimeSformer(nn.Module):
    """Video `(b, c, t, h, w)` -> logits `(b, classes)`.

    attention: "divided" (time, then space), "joint" (every token with every token) or "space_only" (each frame alone,
    the frames' features averaged before the last norm). Clips of any length and size that the patch divides are
    accepted: positions are resized, bicubic in space and linear in time.
    positions: "rotary" turns queries and keys by their places instead of adding tables; not in the paper.
    init: see `ViT`; "from_scratch" opens the temporal projection, too, and `start_from_scratch` sets the scales.
    """

    def __init__(self, *, frames: int = 8, image_size: int = 224, patch_size: int = 16, width: int = 768,
                 depth: int = 12, heads: int = 12, classes: int = 400, mlp_ratio: float = 4.0, channels: int = 3,
                 attention: str = "divided", drop_path: float = 0.0, init: str = "published",
                 positions: str = "table"):
        super().__init__()
        if attention not in ATTENTIONS:
            raise ValueError(f"attention must be one of {', '.join(ATTENTIONS)}; got {attention!r}")
        if positions not in ("table", "rotary"):
            raise ValueError(f'positions must be "table" or "rotary", got {positions!r}')
        side = patches_per_side(image_size, patch_size)
        self.attention = attention
        self.patch_embed = PatchEmbed(patch_size=patch_size, width=width, channels=channels)
        self.cls = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.space_positions = SpacePositions(h=side, w=side, width=width, std=position_std(init))
        if attention != "space_only":
            start = "zero" if init == "published" else "sincos"
            self.time_positions = TimePositions(frames=frames, width=width, start=start)
        block = DividedSpaceTimeBlock if attention == "divided" else TransformerBlock
        self.blocks = nn.ModuleList(
            block(width=width, heads=heads, mlp_ratio=mlp_ratio, drop_path=drop_path * i / max(1, depth - 1))
            for i in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.head = nn.Linear(width, classes)
        initialise(self, init)
        if init == "from_scratch":
            scales = dict(space_scale=1.5, time_scale=1.5) if attention == "joint" else {}
            start_from_scratch(self.patch_embed, self.space_positions, getattr(self, "time_positions", None), **scales)
        elif attention == "divided":
            for block in self.blocks:
                nn.init.zeros_(block.temporal_projection.weight)
                nn.init.zeros_(block.temporal_projection.bias)
        if positions == "rotary":
            self.space_positions, self.time_positions = NoPositions(cls=True), NoPositions(cls=False)
            use_rotary(self)

    def embed(self, video: Tensor) -> tuple[Tensor, Grid]:
        """video -> tokens `(b, 1 + t*n, d)`, CLS first, positions added; CLS has a place in space but none in time."""
        patches, grid = self.patch_embed(video)
        space = self.space_positions(grid.h, grid.w)  # (1 + n, d)
        patches = rearrange(patches, "b (t n) d -> b t n d", t=grid.t) + space[1:]
        if self.attention != "space_only":
            patches = patches + self.time_positions(grid.t)[:, None]  # (t, 1, d)
        cls = (self.cls + space[:1]).expand(len(video), -1, -1)
        return torch.cat([cls, rearrange(patches, "b t n d -> b (t n) d")], dim=1), grid

    def features(self, video: Tensor) -> Tensor:
        """video `(b, c, t, h, w)` -> `(b, d)`: the normed CLS token that the head reads."""
        x, grid = self.embed(video)
        if self.attention == "space_only":
            frames = rearrange(x[:, 1:], "b (t n) d -> b t n d", t=grid.t)
            x = torch.cat([x[:, None, :1].expand(-1, grid.t, -1, -1), frames], dim=2)  # (b, t, 1 + n, d)
            for block in self.blocks:
                x = block(x, grid, recorded_as=Spatial())
            x = x.mean(dim=1)  # over the frames, before the norm: (b, 1 + n, d)
        else:
            for block in self.blocks:
                x = block(x, grid)
        return self.norm(x[:, 0])

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.features(video))


def timesformer_motion(**changes) -> TimeSformer:
    """The small video model of the course: 8 frames of 32 x 32 pixels, 8 x 8 patches, eight directions of motion."""
    return TimeSformer(**dict(frames=8, image_size=32, patch_size=8, width=64, depth=2, heads=4, classes=8,
                                 mlp_ratio=2.0, init="from_scratch") | changes)


def timesformer_display(**changes) -> TimeSformer:
    """The small model with a finer grid: 64 x 64 pixels, so 8 x 8 patches a frame; its maps are for looking at."""
    return timesformer_motion(**dict(image_size=64) | changes)


def timesformer_base(**changes) -> TimeSformer:
    """TimeSformer: 8 frames, 224 pixels (121.6 M parameters, 195.8 G multiply-adds)."""
    return TimeSformer(**changes)


def timesformer_hr(**changes) -> TimeSformer:
    """TimeSformer-HR: 16 frames, 448 pixels (122.0 M parameters, 1702.7 G multiply-adds)."""
    return TimeSformer(**dict(frames=16, image_size=448) | changes)


def timesformer_large(**changes) -> TimeSformer:
    """TimeSformer-L: 96 frames, 224 pixels (121.6 M parameters, 2379.9 G multiply-adds)."""
    return TimeSformer(**dict(frames=96) | changes)
