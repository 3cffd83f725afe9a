"""Divided space-time attention: first along time, then across space (TimeSformer, section 3).

Both modules only regroup the tokens: `l x l` scores are never formed.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.core import MultiHeadAttention, Where
from videoformer_edu.attention.patterns import Spatial, Temporal
from videoformer_edu.layers import DropPath
from videoformer_edu.tokens import Grid


class TemporalAttention(nn.Module):
    """Each patch looks along its own tube, the same place in all frames. Computes the pattern `Temporal()`.

    Patches only: the published code keeps CLS out of it, as query and as key (the paper's equation has it in).
    """

    pattern = Temporal()

    def __init__(self, *, width: int, heads: int, drop_path: float = 0.0):
        super().__init__()
        self.attention = MultiHeadAttention(width=width, heads=heads)
        self.drop_path = DropPath(drop_path)  # one coin per tube, as published

    def forward(self, patches: Tensor, grid: Grid) -> Tensor:
        """patches `(b, t*n, d)` -> their update `(b, t*n, d)`."""
        tubes = rearrange(patches, "b (t n) d -> b n t d", t=grid.t)
        tubes = self.drop_path(self.attention(tubes, where=Where(self.pattern, grid)))
        return rearrange(tubes, "b n t d -> b (t n) d")


class SpatialAttention(nn.Module):
    """Each patch looks at its own frame. Computes the pattern `Spatial()`.

    A CLS token in front of the clip is copied into every frame and looks at it there; its copies' updates are averaged.
    This is where CLS learns what the patches know: without it the logits would not depend on the video.
    """

    pattern = Spatial()

    def __init__(self, *, width: int, heads: int, drop_path: float = 0.0):
        super().__init__()
        self.attention = MultiHeadAttention(width=width, heads=heads)
        self.drop_path = DropPath(drop_path)  # one coin per frame, as published

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """x `(b, [1 +] t*n, d)`, with or without CLS -> its update, the same shape."""
        cls = x.shape[1] - grid.l  # 1 with CLS, 0 without
        patches = rearrange(x[:, cls:], "b (t n) d -> b t n d", t=grid.t)
        copies = x[:, None, :cls].expand(-1, grid.t, -1, -1)  # (b, t, cls, d)
        frames = torch.cat([copies, patches], dim=2)  # (b, t, cls + n, d)
        frames = self.drop_path(self.attention(frames, where=Where(self.pattern, grid)))
        patches = rearrange(frames[:, :, cls:], "b t n d -> b (t n) d")
        return torch.cat([frames[:, :, :cls].mean(dim=1), patches], dim=1)
