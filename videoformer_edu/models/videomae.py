"""VideoMAE: masked autoencoders are data-efficient learners for video (Tong et al. 2022, arXiv:2203.12602).

An encoder that was pretrained by reconstructing what is hidden of a clip (`videomae_pretraining.py`) is fine-tuned with
a plain head. No CLS: the head reads the mean token.

eps: the official code uses LayerNorm eps 1e-6 everywhere. Hugging Face's port has 1e-12 in all blocks and 1e-5 in the
last norm before the head; to repeat its numbers, pass `eps=1e-12, last_eps=1e-5`. Two more habits of the port: its
`VideoMAEForPreTraining(VideoMAEConfig())` silently has no norm after the encoder, because `use_mean_pooling` is true
unless set (such weights are refused here: they are another network); and with `use_mean_pooling=False` its classifier
reads token 0 as if that were a CLS, but VideoMAE has none: it is the first patch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.patterns import Full, Pattern, Place
from videoformer_edu.layers import EPS, initialise, position_std
from videoformer_edu.models.vit import TransformerBlock
from videoformer_edu.positions import resize_joint, sincos_1d
from videoformer_edu.tokens import Grid, TubeletEmbed, patches_per_side

PUBLISHED = (16, 224)  # frames and image size that the published weights were trained at


def sequence_positions(length: int, width: int) -> Tensor:
    """`(length, width)` fixed sin-cos table over the *flattened* index of a token, sine and cosine taking turns.

    One axis for three: the end of a row and the start of the next are neighbours here. It is what was published.
    """
    slowest = 10000.0 ** -((width - 2) / width)
    return rearrange(sincos_1d(length, width, slowest=slowest), "l (two k) -> l (k two)", two=2)


class QueryValueBias(nn.Linear):
    """q, k and v in one matrix, with biases for q and v only: a key bias adds the same to a whole row of scores."""

    def __init__(self, width: int):
        super().__init__(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """x `(..., d)` -> `(..., 3*d)`"""
        return F.linear(x, self.weight, torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias]))


class VideoMAEBlock(TransformerBlock):
    """A ViT block whose keys have no bias."""

    def __init__(self, *, width: int, **options):
        super().__init__(width=width, **options)
        self.attention.qkv = QueryValueBias(width)


@dataclass(frozen=True, eq=False)
class Visible(Pattern):
    """The pattern of the encoder while some tokens are hidden: every visible one looks at every visible one.

    `tokens` is `(b, v)`, the numbers of the visible ones.
    """

    tokens: Tensor

    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        seen = torch.zeros(tuple(grid), dtype=torch.bool)
        seen.view(-1)[self.groups(grid)[0]] = True
        return seen[tuple(query)] & seen[tuple(key)]

    def pairs(self, grid: Grid) -> int:
        return self.tokens.shape[1] ** 2

    def groups(self, grid: Grid) -> Tensor:
        if (self.tokens != self.tokens[:1]).any():
            raise ValueError("each clip of this batch has a mask of its own, so its map has no common grid; record one "
                             "clip, or give all of them the same mask")
        return self.tokens[:1].cpu()


def token_grid(frames: int, image_size: int, tubelet_size: int, patch_size: int) -> Grid:
    """The grid of a clip's tubelets, or a ValueError."""
    if tubelet_size < 1 or frames < tubelet_size or frames % tubelet_size:
        raise ValueError(f"tubelet_size {tubelet_size} must divide frames {frames}")
    side = patches_per_side(image_size, patch_size)
    return Grid(frames // tubelet_size, side, side)


class VideoMAEEncoder(nn.Module):
    """Tubelets + fixed positions -> blocks, on all tokens or on the visible ones alone. No norm at the end.

    trained_at: `(frames, image_size)` of the clips that the weights were trained with, by default those of the model.
    The position table is made for them and interpolated for all other clips, so that a place keeps the code that the
    weights know. It has to be said because the table is in no checkpoint. (The official code numbers the tokens of
    another size anew. With the course's small pretrained model the loss is 0.30 on clips of 32 x 32 pixels, its own
    size; on 64 x 64 it is 0.31 with the table interpolated and 0.50 with tokens numbered anew.)
    """

    def __init__(self, *, frames: int, image_size: int, tubelet_size: int, patch_size: int, width: int, depth: int,
                 heads: int, mlp_ratio: float, channels: int, drop_path: float, eps: float, init: str,
                 trained_at: tuple[int, int] | None):
        super().__init__()
        self.grid = token_grid(frames, image_size, tubelet_size, patch_size)
        self.table_grid = token_grid(*(trained_at or (frames, image_size)), tubelet_size, patch_size)
        self.tubelet_embed = TubeletEmbed(tubelet_size=tubelet_size, patch_size=patch_size, width=width,
                                          channels=channels)
        positions = position_scale(init) * sequence_positions(self.table_grid.l, width)
        self.register_buffer("positions", positions, persistent=False)
        self.blocks = nn.ModuleList(
            VideoMAEBlock(width=width, heads=heads, mlp_ratio=mlp_ratio, drop_path=drop_path * i / max(1, depth - 1),
                          eps=eps)
            for i in range(depth)
        )

    def forward(self, video: Tensor, visible: Tensor | None = None) -> tuple[Tensor, Grid]:
        """video `(b, c, t, h, w)`, visible `(b, v)` token numbers or None -> `(b, v or l, d)` and the clip's grid."""
        x, grid = self.tubelet_embed(video)
        x = x + resize_joint(self.positions, self.table_grid, grid)
        pattern = Full()
        if visible is not None:
            x, pattern = take(x, visible), Visible(visible)
        for block in self.blocks:
            x = block(x, grid, recorded_as=pattern)
        return x, grid


def take(x: Tensor, numbers: Tensor) -> Tensor:
    """`(b, l, d)` and token numbers `(b, v)` -> `(b, v, d)`."""
    return x.gather(1, numbers[..., None].expand(-1, -1, x.shape[-1]))


class VideoMAE(nn.Module):
    """Video `(b, c, t, h, w)` -> logits `(b, classes)`: the encoder, the mean of its tokens, a norm, a head.

    To fine-tune a pretrained one: `model.encoder.load_state_dict(pretrained.encoder.state_dict())`.
    init: see `ViT`; "from_scratch" also makes the fixed positions sqrt 2 times as large (rms 1).
    trained_at: see `VideoMAEEncoder`.
    """

    def __init__(self, *, frames: int = 16, image_size: int = 224, tubelet_size: int = 2, patch_size: int = 16,
                 width: int = 768, depth: int = 12, heads: int = 12, classes: int = 400, mlp_ratio: float = 4.0,
                 channels: int = 3, drop_path: float = 0.0, eps: float = EPS, last_eps: float | None = None,
                 init: str = "published", trained_at: tuple[int, int] | None = None):
        super().__init__()
        self.encoder = VideoMAEEncoder(
            frames=frames, image_size=image_size, tubelet_size=tubelet_size, patch_size=patch_size, width=width,
            depth=depth, heads=heads, mlp_ratio=mlp_ratio, channels=channels, drop_path=drop_path, eps=eps,
            init=init, trained_at=trained_at)
        self.norm = nn.LayerNorm(width, eps=eps if last_eps is None else last_eps)
        self.head = nn.Linear(width, classes)
        initialise(self, init)

    def features(self, video: Tensor) -> Tensor:
        """video `(b, c, t, h, w)` -> `(b, d)`: the norm of the mean token."""
        return self.norm(self.encoder(video)[0].mean(dim=1))

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.features(video))


def position_scale(init: str) -> float:
    """Factor of the fixed sin-cos tables: their rms is sqrt(1/2) as published, 1 from scratch."""
    return 2**0.5 if position_std(init) == 1 else 1.0


# ------------------------------------------------------------------------------------------------- published sizes


def videomae_motion(**changes) -> VideoMAE:
    """The small video model of the course: 8 frames of 32 x 32 pixels, tubelets of 2 x 8 x 8, eight directions."""
    return VideoMAE(**dict(frames=8, image_size=32, tubelet_size=2, patch_size=8, width=64, depth=3, heads=4, classes=8,
                           mlp_ratio=2.0, init="from_scratch", trained_at=(8, 32)) | changes)


def videomae_small(**changes) -> VideoMAE:
    """VideoMAE ViT-S, 16 frames (22.0 M parameters, 57.0 G multiply-adds)."""
    return VideoMAE(**dict(width=384, heads=6, trained_at=PUBLISHED) | changes)


def videomae_base(**changes) -> VideoMAE:
    """VideoMAE ViT-B, 16 frames (86.5 M parameters, 180.3 G multiply-adds)."""
    return VideoMAE(**dict(trained_at=PUBLISHED) | changes)


def videomae_large(**changes) -> VideoMAE:
    """VideoMAE ViT-L, 16 frames (304.3 M parameters, 596.8 G multiply-adds)."""
    return VideoMAE(**dict(width=1024, depth=24, heads=16, trained_at=PUBLISHED) | changes)


def videomae_huge(**changes) -> VideoMAE:
    """VideoMAE ViT-H, 16 frames (632.1 M parameters, 1191.0 G multiply-adds)."""
    return VideoMAE(**dict(width=1280, depth=32, heads=16, trained_at=PUBLISHED) | changes)
