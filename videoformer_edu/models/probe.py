"""A frozen image model and a probe: one CLS looks once at all its patches of all frames, and an MLP answers.

What an image model lacks is a vector for each frame. Without it a probe sees a set of frames, and no amount of clips
tells it what came first; with it the same probe knows the order (STEP, arXiv:2503.24298).
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.core import attend
from videoformer_edu.layers import EPS
from videoformer_edu.models.vit import ViT, vit_digits
from videoformer_edu.positions import TimePositions
from videoformer_edu.tokens import check_video


class FrameProbe(nn.Module):
    """Video `(b, c, t, h, w)` -> logits `(b, classes)`; `image` is frozen, its last norm and head are not used.

    ordered: a learned vector for each frame, from sines; False: the same answer for every order of the frames.
    heads: of the one look of CLS; each has the whole width, for a small model's is little to share out.
    """

    def __init__(self, image: ViT, *, frames: int = 8, heads: int = 8, hidden: int = 128, classes: int = 8,
                 ordered: bool = True):
        super().__init__()
        width = len(image.norm.weight)
        self.image, self.ordered = image.requires_grad_(False), ordered
        self.patch_norm = nn.LayerNorm(width, eps=EPS)
        if ordered:
            self.time_positions = TimePositions(frames=frames, width=width, start="sincos")
        self.cls = nn.Parameter(torch.randn(heads, width) * 0.3)  # what each head asks for
        self.keys, self.values = nn.Linear(width, width), nn.Linear(width, width)
        self.norm = nn.LayerNorm(heads * width, eps=EPS)
        self.mlp = nn.Sequential(nn.Linear(heads * width, hidden), nn.GELU())
        self.head = nn.Linear(hidden, classes)

    def features(self, video: Tensor) -> Tensor:
        """video `(b, c, t, h, w)` -> `(b, hidden)`."""
        check_video(video, self.image.patch_embed.proj.in_channels, (1, 1, 1))
        frames = rearrange(video, "b c t h w -> (b t) c h w")
        with torch.no_grad():  # nothing of the image model is kept for a backward pass
            patches = self.image.tokens(frames)[0][:, 1:]  # (b*t, n, d), without its CLS
        patches = rearrange(self.patch_norm(patches), "(b t) n d -> b t n d", t=video.shape[2])
        if self.ordered:
            patches = patches + self.time_positions(video.shape[2])[:, None]  # (t, 1, d)
        x = rearrange(patches, "b t n d -> b 1 (t n) d")
        looked = attend(self.cls.expand(len(x), 1, -1, -1), self.keys(x), self.values(x))  # (b, 1, heads, d)
        return self.mlp(self.norm(looked.flatten(1)))

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.features(video))


def probe_motion(**changes) -> FrameProbe:
    """The course's: its image model of ten digits, frozen, and a probe for eight directions of motion."""
    return FrameProbe(vit_digits(patch_size=8, depth=2), **changes)
