"""VideoMAE's pretraining (Tong et al. 2022, arXiv:2203.12602).

Hide 90 per cent of a clip, in tubes that run through all frames, and let a small decoder reconstruct it.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.layers import EPS, check_init
from videoformer_edu.models.videomae import (
    PUBLISHED,
    VideoMAEBlock,
    VideoMAEEncoder,
    position_scale,
    sequence_positions,
    take,
)
from videoformer_edu.positions import resize_joint
from videoformer_edu.tokens import Grid, check_video

IMAGENET_STD = (0.229, 0.224, 0.225)  # what the published models divide their pixels by


def tube_mask(grid: Grid, ratio: float, *, batch: int = 1, generator: torch.Generator | None = None) -> Tensor:
    """`(b, l)` bool, True = hidden: the same `int(ratio * n)` places in every step, drawn anew for each clip.

    A patch hidden in one step alone could be copied from the next; a tube leaves nothing to copy.
    """
    hidden = int(ratio * grid.n)
    if not 0 < hidden < grid.n:
        raise ValueError(f"ratio {ratio} hides {hidden} of the {grid.n} patches of a step; "
                         "at least one has to be hidden and one visible")
    order = torch.rand(batch, grid.n, generator=generator).argsort(dim=1)
    return (order < hidden).repeat(1, grid.t)  # (t n): the mask of a step, t times


class VideoMAEPretraining(nn.Module):
    """Video and mask -> what the hidden tubelets look like, `(b, hidden, tubelet_size*p*p*c)`.

    The encoder sees the visible tokens alone: a tenth of them, which is why pretraining is cheap. The decoder sees all
    places: visible tokens and, where something is hidden, one learned token, each with its position. (The published
    code puts the hidden ones last. Attention does not care about order, so here they stay in their places.)
    init: "published" is Xavier in both networks, as the official code has it; "from_scratch": see `VideoMAE`.
    trained_at: see `VideoMAEEncoder`.
    """

    def __init__(self, *, frames: int = 16, image_size: int = 224, tubelet_size: int = 2, patch_size: int = 16,
                 width: int = 768, depth: int = 12, heads: int = 12, decoder_width: int = 384, decoder_depth: int = 4,
                 decoder_heads: int = 6, mlp_ratio: float = 4.0, decoder_mlp_ratio: float = 4.0, channels: int = 3,
                 drop_path: float = 0.0, eps: float = EPS, last_eps: float | None = None,
                 pixel_std: tuple[float, ...] = IMAGENET_STD, standardised: bool = True, init: str = "published",
                 trained_at: tuple[int, int] | None = None):
        super().__init__()
        if len(pixel_std) != channels:
            raise ValueError(f"pixel_std has {len(pixel_std)} values for {channels} channels; "
                             f"pixels that were never divided need pixel_std={(1.0,) * channels}")
        self.tubelet = (tubelet_size, patch_size, patch_size)
        self.encoder = VideoMAEEncoder(
            frames=frames, image_size=image_size, tubelet_size=tubelet_size, patch_size=patch_size, width=width,
            depth=depth, heads=heads, mlp_ratio=mlp_ratio, channels=channels, drop_path=drop_path, eps=eps,
            init=init, trained_at=trained_at)
        self.norm = nn.LayerNorm(width, eps=eps)
        self.to_decoder = nn.Linear(width, decoder_width, bias=False)
        self.mask_token = nn.Parameter(torch.randn(1, 1, decoder_width) * 0.02)
        positions = position_scale(init) * sequence_positions(self.encoder.table_grid.l, decoder_width)
        self.register_buffer("decoder_positions", positions, persistent=False)
        self.decoder_blocks = nn.ModuleList(
            VideoMAEBlock(width=decoder_width, heads=decoder_heads, mlp_ratio=decoder_mlp_ratio, eps=eps)
            for _ in range(decoder_depth)
        )
        self.decoder_norm = nn.LayerNorm(decoder_width, eps=eps if last_eps is None else last_eps)
        self.head = nn.Linear(decoder_width, channels * tubelet_size * patch_size**2)
        self.register_buffer("pixel_std", torch.tensor(pixel_std), persistent=False)
        self.standardised = standardised
        self._initialise(init)

    def _initialise(self, init: str) -> None:
        check_init(init)
        if init == "from_scratch":
            return
        nn.init.trunc_normal_(self.mask_token, std=0.02, a=-0.02, b=0.02)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear) and name != "to_decoder":  # which keeps PyTorch's default, as published
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, video: Tensor, mask: Tensor) -> Tensor:
        """video `(b, c, t, h, w)`, mask `(b, l)` bool, True = hidden, as many in each clip."""
        return self.reconstruct(video, *self._split(video, mask))

    def loss(self, video: Tensor, mask: Tensor) -> Tensor:
        """Mean squared error over the pixels of the hidden tubelets alone."""
        visible, hidden = self._split(video, mask)
        target = take(tubelet_targets(video, self.tubelet, self.pixel_std if self.standardised else None), hidden)
        return F.mse_loss(self.reconstruct(video, visible, hidden), target)

    def reconstruct(self, video: Tensor, visible: Tensor, hidden: Tensor) -> Tensor:
        """The same as calling the model, with the mask as token numbers: `(b, v)` visible and `(b, m)` hidden."""
        tokens, grid = self.encoder(video, visible)
        tokens = self.to_decoder(self.norm(tokens))  # (b, v, d')
        everywhere = self.mask_token.to(tokens.dtype).expand(len(tokens), grid.l, -1)
        x = everywhere.scatter(1, visible[..., None].expand_as(tokens), tokens)  # (b, l, d')
        x = x + resize_joint(self.decoder_positions, self.encoder.table_grid, grid)
        for block in self.decoder_blocks:
            x = block(x, grid)
        return self.head(self.decoder_norm(take(x, hidden)))

    def _split(self, video: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        check_video(video, self.encoder.tubelet_embed.channels, self.tubelet)
        expected = (len(video), math.prod(video.shape[2:]) // math.prod(self.tubelet))
        if mask.shape != expected:
            raise ValueError(f"this clip needs a mask {expected} (b, l), got {tuple(mask.shape)}")
        return split_mask(mask)


def split_mask(mask: Tensor) -> tuple[Tensor, Tensor]:
    """`(b, l)` bool -> numbers of the visible and of the hidden tokens, in order: `(b, visible)` and `(b, hidden)`."""
    if mask.ndim != 2 or mask.dtype != torch.bool:
        raise ValueError(f"expected a bool mask (b, l), True = hidden, got {mask.dtype} {tuple(mask.shape)}")
    if not len(mask):
        raise ValueError("the batch is empty, so nothing says how many tokens are hidden")
    counts = mask.sum(dim=1)
    if (counts != counts[0]).any() or not 0 < counts[0] < mask.shape[1]:
        raise ValueError(f"every clip must hide as many tokens, some but not all of {mask.shape[1]}; "
                         f"got {counts.tolist()}")
    order = mask.byte().argsort(dim=1, stable=True)  # visible first
    return order[:, : -int(counts[0])], order[:, -int(counts[0]):]


def tubelet_targets(video: Tensor, tubelet: tuple[int, int, int], pixel_std: Tensor | None) -> Tensor:
    """`(b, c, t, h, w)` -> `(b, l, p0*p1*p2*c)`: each tubelet's pixels, standardised within it, channel by channel.

    So the model reconstructs contrast, not brightness. As published: unbiased variance, 1e-6 added to the deviation of
    pixels between 0 and 1, which is why the division by `pixel_std` has to be taken back (its shift cancels).
    With `pixel_std=None` the pixels stay as the model gets them.
    """
    p0, p1, p2 = tubelet
    pixels = rearrange(video, "b c (t p0) (h p1) (w p2) -> b (t h w) (p0 p1 p2) c", p0=p0, p1=p1, p2=p2)
    if pixel_std is None:
        return rearrange(pixels, "b l p c -> b l (p c)")
    pixels = pixels * pixel_std.to(video)
    pixels = (pixels - pixels.mean(dim=2, keepdim=True)) / (pixels.std(dim=2, keepdim=True) + 1e-6)
    return rearrange(pixels, "b l p c -> b l (p c)")


def videomae_pretraining_motion(**changes) -> VideoMAEPretraining:
    """Pretraining for `videomae_motion`: it reconstructs pixels as they are, because standardising the tubelets of
    a plain, slightly noisy background makes noise the larger part of the target."""
    return VideoMAEPretraining(**dict(
        frames=8, image_size=32, tubelet_size=2, patch_size=8, width=64, depth=3, heads=4, decoder_width=32,
        decoder_depth=1, decoder_heads=2, mlp_ratio=2.0, decoder_mlp_ratio=2.0, standardised=False,
        init="from_scratch", trained_at=(8, 32)) | changes)


def videomae_pretraining_small(**changes) -> VideoMAEPretraining:
    """Pretraining of VideoMAE ViT-S: a decoder of 4 blocks, 192 wide (24.0 M parameters)."""
    return VideoMAEPretraining(**dict(width=384, heads=6, decoder_width=192, decoder_heads=3,
                                      trained_at=PUBLISHED) | changes)


def videomae_pretraining_base(**changes) -> VideoMAEPretraining:
    """Pretraining of VideoMAE ViT-B: a decoder of 4 blocks, 384 wide (94.2 M parameters)."""
    return VideoMAEPretraining(**dict(trained_at=PUBLISHED) | changes)


def videomae_pretraining_large(**changes) -> VideoMAEPretraining:
    """Pretraining of VideoMAE ViT-L: a decoder of 12 blocks, 512 wide (343.0 M parameters)."""
    return VideoMAEPretraining(**dict(width=1024, depth=24, heads=16, decoder_width=512, decoder_depth=12,
                                      decoder_heads=8, trained_at=PUBLISHED) | changes)


def videomae_pretraining_huge(**changes) -> VideoMAEPretraining:
    """Pretraining of VideoMAE ViT-H: a decoder of 12 blocks, 640 wide (692.5 M parameters)."""
    return VideoMAEPretraining(**dict(width=1280, depth=32, heads=16, decoder_width=640, decoder_depth=12,
                                      decoder_heads=8, trained_at=PUBLISHED) | changes)
