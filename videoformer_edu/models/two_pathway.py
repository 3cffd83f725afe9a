"""Two pathways: the idea of SlowFast (Feichtenhofer et al. 2019, arXiv:1812.03982), built from transformer blocks.

What things are changes slowly and needs many channels; how they move needs many frames and few channels. So one clip is
read twice:

    slow    few frames, each one finely (tubelets of one frame), wide
    fast    all frames, narrow

From time to time slow tokens look at the fast tokens of *their own moment* (cross-attention with a residual and norms
of its own); nothing flows back, as in SlowFast. Three things are easily got wrong, and each leaves a model that runs:

- Slow frames are spread from the first frame to the last; `video[:, :, ::4]` never sees the last ones.
- The slow pathway is sparse by its choice of frames, so its tubelets must be short. Every fourth frame *and* tubelets
  of four frames would leave one step of sixteen frames.
- Without positions, attention and a mean see a set: a shuffled clip would give the same logits. Both pathways get the
  time in frames of the clip, as the same sines and cosines, so that the same moment looks the same to both.
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.cross import CrossAttention
from videoformer_edu.layers import EPS, DropPath, initialise, position_std
from videoformer_edu.models.slowfast import slow_frames
from videoformer_edu.models.vit import TransformerBlock
from videoformer_edu.positions import SpacePositions, sincos_at
from videoformer_edu.tokens import Grid, TubeletEmbed, check_tensor, patches_per_side

TIME_FEATURES = 32  # sines and cosines of 16 frequencies


class Pathway(nn.Module):
    """A plain video transformer without a head: tubelets, positions in space and time, blocks, a norm."""

    def __init__(self, *, side: int, tubelet_size: int, patch_size: int, width: int, heads: int, drop_path: list[float],
                 mlp_ratio: float, channels: int, std: float):
        super().__init__()
        self.tubelet_embed = TubeletEmbed(tubelet_size=tubelet_size, patch_size=patch_size, width=width,
                                          channels=channels)
        self.space_positions = SpacePositions(h=side, w=side, width=width, cls=False, std=std)
        self.time_positions = nn.Linear(TIME_FEATURES, width, bias=False)
        self.blocks = nn.ModuleList(TransformerBlock(width=width, heads=heads, mlp_ratio=mlp_ratio, drop_path=p)
                                    for p in drop_path)
        self.norm = nn.LayerNorm(width, eps=EPS)

    def embed(self, video: Tensor, times: Tensor) -> tuple[Tensor, Grid]:
        """video `(b, c, t, h, w)`, times `(t', features)` -> tokens `(b, t'*n, d)` and their grid."""
        x, grid = self.tubelet_embed(video)
        x = rearrange(x, "b (t n) d -> b t n d", t=grid.t) + self.space_positions(grid.h, grid.w)
        x = x + self.time_positions(times)[:, None]  # (t', 1, d)
        return rearrange(x, "b t n d -> b (t n) d"), grid


class Fusion(nn.Module):
    """Slow tokens look at the fast tokens of their moment: one norm for each pathway, one residual."""

    def __init__(self, *, slow_width: int, fast_width: int, heads: int, drop_path: float = 0.0):
        super().__init__()
        self.slow_norm = nn.LayerNorm(slow_width, eps=EPS)
        self.fast_norm = nn.LayerNorm(fast_width, eps=EPS)
        self.attention = CrossAttention(width=slow_width, context_width=fast_width, heads=heads)
        self.drop_path = DropPath(drop_path)

    def forward(self, slow: Tensor, slow_grid: Grid, fast: Tensor, fast_grid: Grid) -> Tensor:
        """slow `(b, l, d)` and fast `(b, l', d')` -> slow, `(b, l, d)`."""
        return slow + self.drop_path(self.attention(self.slow_norm(slow), slow_grid, self.fast_norm(fast), fast_grid))


def every(video: Tensor, alpha: int) -> Tensor:
    """video `(b, c, t, h, w)` -> `(b, c, t // alpha, h, w)`: frames from the first to the last, evenly spread."""
    return video if alpha == 1 else video.index_select(2, slow_frames(video.shape[2], alpha).to(video.device))


class TwoPathwayTransformer(nn.Module):
    """Video `(b, c, t, h, w)` -> logits `(b, classes)`.

    alpha: the fast pathway sees all t frames, the slow one t // alpha of them. slow_tubelet, fast_tubelet: frames of a
    tubelet, counted in the frames that the pathway sees. A fusion follows every `fuse_every`-th of the `depth` blocks.
    The head reads the mean token of each pathway, side by side. What the fast pathway is worth can be asked:
    `fast_alpha` slows it to t // fast_alpha frames, and `fast_width=0` leaves it out, with the fusions.

    Clips of other lengths and sizes are taken if patch and tubelets divide them and two slow steps are left: positions
    in space are resized, time runs on. `frames` sets its slowest sine, a quarter of a turn in a clip.
    init: see `ViT`.
    """

    def __init__(self, *, frames: int = 16, image_size: int = 224, patch_size: int = 16, alpha: int = 4,
                 fast_alpha: int = 1, slow_tubelet: int = 1, fast_tubelet: int = 1, slow_width: int = 768,
                 fast_width: int = 192, slow_heads: int = 12, fast_heads: int = 3, depth: int = 12,
                 fuse_every: int = 3, classes: int = 400, mlp_ratio: float = 4.0, channels: int = 3,
                 drop_path: float = 0.0, init: str = "published"):
        super().__init__()
        if min(alpha, fast_alpha, slow_tubelet, fast_tubelet) < 1:
            raise ValueError("alpha, fast_alpha, slow_tubelet and fast_tubelet must be at least 1, "
                             f"got {alpha}, {fast_alpha}, {slow_tubelet}, {fast_tubelet}")
        if fuse_every < 1 or depth % fuse_every:
            raise ValueError(f"fuse_every {fuse_every} must divide depth {depth}: a fusion follows the last block, too")
        self.frames, self.alpha, self.fast_alpha, self.fuse_every = frames, alpha, fast_alpha, fuse_every
        self.slow_tubelet, self.fast_tubelet = slow_tubelet, fast_tubelet
        self.times(frames)  # raises where the published clip would not fit
        rates = [drop_path * i / max(1, depth - 1) for i in range(depth)]
        common = dict(side=patches_per_side(image_size, patch_size), patch_size=patch_size, mlp_ratio=mlp_ratio,
                      channels=channels, drop_path=rates, std=position_std(init))
        self.slow = Pathway(tubelet_size=slow_tubelet, width=slow_width, heads=slow_heads, **common)
        self.fast = Pathway(tubelet_size=fast_tubelet, width=fast_width, heads=fast_heads,
                            **common) if fast_width else None
        self.fusions = nn.ModuleList(
            Fusion(slow_width=slow_width, fast_width=fast_width, heads=slow_heads, drop_path=rate)
            for rate in rates[fuse_every - 1::fuse_every] if fast_width)
        self.head = nn.Linear(slow_width + fast_width, classes)
        initialise(self, init)

    def times(self, frames: int) -> tuple[Tensor, Tensor]:
        """When each slow and each fast step is, in frames of the clip: the mean over the frames of its tubelets."""
        seen = frames // self.alpha
        steps = seen // self.slow_tubelet
        if steps < 2:
            raise ValueError(
                f"{frames} frames leave the slow pathway too few steps, {steps} = {frames} // alpha {self.alpha} // "
                f"slow_tubelet {self.slow_tubelet}; it needs 2, so use at least "
                f"{2 * self.alpha * self.slow_tubelet} frames, a smaller alpha or a smaller slow_tubelet")
        if seen % self.slow_tubelet:
            raise ValueError(f"slow_tubelet {self.slow_tubelet} must divide the slow frames, {frames} // alpha "
                             f"{self.alpha} = {seen}")
        if frames // self.fast_alpha % self.fast_tubelet or frames < self.fast_alpha:
            raise ValueError(f"fast_tubelet {self.fast_tubelet} must divide the {frames // self.fast_alpha} frames "
                             f"that the fast pathway sees of the {frames} of the clip")
        slow, fast = slow_frames(frames, self.alpha), slow_frames(frames, self.fast_alpha)
        return (slow.double().unflatten(0, (-1, self.slow_tubelet)).mean(1),
                fast.double().unflatten(0, (-1, self.fast_tubelet)).mean(1))

    def time_features(self, times: Tensor) -> Tensor:
        """`(steps,)` in frames -> `(steps, features)`, rms 1: 0.75 pi per frame down to a quarter turn per clip."""
        slowest = math.pi / (2 * self.frames)
        return math.sqrt(2) * sincos_at(times, TIME_FEATURES, fastest=0.75 * math.pi, slowest=slowest)

    def features(self, video: Tensor) -> Tensor:
        """video `(b, c, t, h, w)` -> `(b, slow d + fast d)`: the mean of the normed tokens of each pathway."""
        check_tensor(video, "a video (b, c, t, h, w)")
        if video.ndim != 5:
            raise ValueError(f"expected a video (b, c, t, h, w), got {tuple(video.shape)}")
        slow_times, fast_times = (self.time_features(times).to(video) for times in self.times(video.shape[2]))
        slow, slow_grid = self.slow.embed(every(video, self.alpha), slow_times)
        if self.fast is None:
            for block in self.slow.blocks:
                slow = block(slow, slow_grid)
            return self.slow.norm(slow).mean(dim=1)
        fast, fast_grid = self.fast.embed(every(video, self.fast_alpha), fast_times)
        for i, (slow_block, fast_block) in enumerate(zip(self.slow.blocks, self.fast.blocks, strict=True)):
            slow = slow_block(slow, slow_grid)
            fast = fast_block(fast, fast_grid)
            if (i + 1) % self.fuse_every == 0:
                slow = self.fusions[i // self.fuse_every](slow, slow_grid, fast, fast_grid)
        return torch.cat([self.slow.norm(slow).mean(dim=1), self.fast.norm(fast).mean(dim=1)], dim=-1)

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.features(video))


def two_pathway_motion(**changes) -> TwoPathwayTransformer:
    """The small video model of the course: 8 frames of 32 x 32 pixels, of which the slow pathway sees two.

    A fast token holds two frames, so it can carry motion by itself. With `fast_tubelet=1`, where only attention could
    find it, the same 1600 steps of training left this model at chance.
    """
    return TwoPathwayTransformer(**dict(frames=8, image_size=32, patch_size=8, fast_tubelet=2, slow_width=64,
                                        fast_width=32, slow_heads=4, fast_heads=2, depth=2, fuse_every=1, classes=8,
                                        mlp_ratio=2.0, init="from_scratch") | changes)


def two_pathway_base(**changes) -> TwoPathwayTransformer:
    """16 frames of 224 x 224 pixels: four of them at width 768, all at width 192, four fusions.

    97.7 M parameters, 152.0 G multiply-adds.
    """
    return TwoPathwayTransformer(**changes)
