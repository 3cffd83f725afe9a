"""VideoMAE: masked autoencoders are data-efficient learners for video (Tong et al. 2022, arXiv:2203.12602).

Hide 90 per cent of a clip, in tubes that run through all frames, and let a small decoder paint the rest back in. What
the encoder has to understand for that is then fine-tuned with a plain head. No CLS: the head reads the mean token.

eps: the official code uses LayerNorm eps 1e-6 everywhere. Hugging Face's port has 1e-12 in all blocks and 1e-5 in the
last norm before the head; to repeat its numbers, pass `eps=1e-12, last_eps=1e-5`. Two more habits of the port: its
`VideoMAEForPreTraining(VideoMAEConfig())` silently has no norm after the encoder, because `use_mean_pooling` is true
unless set (such weights are refused here: they are another network); and with `use_mean_pooling=False` its classifier
reads token 0 as if that were a CLS, but VideoMAE has none: it is the first patch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.patterns import Full, Pattern, Place
from videoformer_edu.models.vit import EPS, TransformerBlock, initialise, patches_per_side, position_std
from videoformer_edu.positions import resize_joint, sincos_1d
from videoformer_edu.tokens import Grid, TubeletEmbed

IMAGENET_STD = (0.229, 0.224, 0.225)  # what the published models divide their pixels by


def sequence_positions(length: int, width: int) -> Tensor:
    """`(length, width)` fixed sin-cos table over the *flattened* index of a token, sine and cosine taking turns.

    One axis for three: the end of a row and the start of the next are neighbours here. It is what was published.
    """
    slowest = 10000.0 ** -((width - 2) / width)
    return rearrange(sincos_1d(length, width, slowest=slowest), "l (two k) -> l (k two)", two=2)


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


class VideoMAEEncoder(nn.Module):
    """Tubelets + fixed positions -> blocks, on all tokens or on the visible ones alone. No norm at the end.

    Positions of clips of another size are interpolated from the table of the size that the model was built for, so
    that a place keeps the code that its weights were trained with.
    """

    def __init__(self, *, frames: int, image_size: int, tubelet_size: int, patch_size: int, width: int, depth: int,
                 heads: int, mlp_ratio: float, channels: int, drop_path: float, eps: float, init: str):
        super().__init__()
        if tubelet_size < 1 or frames < tubelet_size or frames % tubelet_size:
            raise ValueError(f"tubelet_size {tubelet_size} must divide frames {frames}")
        side = patches_per_side(image_size, patch_size)
        self.grid = Grid(frames // tubelet_size, side, side)
        self.tubelet_embed = TubeletEmbed(tubelet_size=tubelet_size, patch_size=patch_size, width=width,
                                          channels=channels)
        positions = position_scale(init) * sequence_positions(self.grid.l, width)
        self.register_buffer("positions", positions, persistent=False)
        self.blocks = nn.ModuleList(
            VideoMAEBlock(width=width, heads=heads, mlp_ratio=mlp_ratio, drop_path=drop_path * i / max(1, depth - 1),
                          eps=eps)
            for i in range(depth)
        )

    def forward(self, video: Tensor, visible: Tensor | None = None) -> tuple[Tensor, Grid]:
        """video `(b, c, t, h, w)`, visible `(b, v)` token numbers or None -> `(b, v or l, d)` and the clip's grid."""
        x, grid = self.tubelet_embed(video)
        x = x + resize_joint(self.positions, self.grid, grid)
        pattern = Full()
        if visible is not None:
            x, pattern = take(x, visible), Visible(visible)
        for block in self.blocks:
            x = block(x, grid, pattern, cls=False)
        return x, grid


def take(x: Tensor, numbers: Tensor) -> Tensor:
    """`(b, l, d)` and token numbers `(b, v)` -> `(b, v, d)`."""
    return x.gather(1, numbers[..., None].expand(-1, -1, x.shape[-1]))


class VideoMAE(nn.Module):
    """Video `(b, c, t, h, w)` -> logits `(b, classes)`: the encoder, the mean of its tokens, a norm, a head.

    To fine-tune a pretrained one: `model.encoder.load_state_dict(pretrained.encoder.state_dict())`.
    init: see `ViT`; "from_scratch" also makes the fixed positions sqrt 2 times as large (rms 1).
    """

    def __init__(self, *, frames: int = 16, image_size: int = 224, tubelet_size: int = 2, patch_size: int = 16,
                 width: int = 768, depth: int = 12, heads: int = 12, classes: int = 400, mlp_ratio: float = 4.0,
                 channels: int = 3, drop_path: float = 0.0, eps: float = EPS, last_eps: float | None = None,
                 init: str = "published"):
        super().__init__()
        self.encoder = VideoMAEEncoder(
            frames=frames, image_size=image_size, tubelet_size=tubelet_size, patch_size=patch_size, width=width,
            depth=depth, heads=heads, mlp_ratio=mlp_ratio, channels=channels, drop_path=drop_path, eps=eps,
            init=init)
        self.norm = nn.LayerNorm(width, eps=eps if last_eps is None else last_eps)
        self.head = nn.Linear(width, classes)
        initialise(self, init)

    def features(self, video: Tensor) -> Tensor:
        """video `(b, c, t, h, w)` -> `(b, d)`: the norm of the mean token."""
        return self.norm(self.encoder(video)[0].mean(dim=1))

    def forward(self, video: Tensor) -> Tensor:
        return self.head(self.features(video))


class VideoMAEPretraining(nn.Module):
    """Video and mask -> what the hidden tubelets look like, `(b, hidden, tubelet_size*p*p*c)`.

    The encoder sees the visible tokens alone: a tenth of them, which is why pretraining is cheap. The decoder sees all
    places: visible tokens and, where something is hidden, one learned token, each with its position. (The published
    code puts the hidden ones last. Attention does not care about order, so here they stay in their places.)
    """

    def __init__(self, *, frames: int = 16, image_size: int = 224, tubelet_size: int = 2, patch_size: int = 16,
                 width: int = 768, depth: int = 12, heads: int = 12, decoder_width: int = 384, decoder_depth: int = 4,
                 decoder_heads: int = 6, mlp_ratio: float = 4.0, decoder_mlp_ratio: float = 4.0, channels: int = 3,
                 drop_path: float = 0.0, eps: float = EPS, last_eps: float | None = None,
                 pixel_std: tuple[float, ...] = IMAGENET_STD, standardised: bool = True, init: str = "published"):
        super().__init__()
        if len(pixel_std) != channels:
            raise ValueError(f"pixel_std has {len(pixel_std)} values for {channels} channels; "
                             f"pixels that were never divided need pixel_std={(1.0,) * channels}")
        self.tubelet = (tubelet_size, patch_size, patch_size)
        self.encoder = VideoMAEEncoder(
            frames=frames, image_size=image_size, tubelet_size=tubelet_size, patch_size=patch_size, width=width,
            depth=depth, heads=heads, mlp_ratio=mlp_ratio, channels=channels, drop_path=drop_path, eps=eps,
            init=init)
        self.norm = nn.LayerNorm(width, eps=eps)
        self.to_decoder = nn.Linear(width, decoder_width, bias=False)
        self.mask_token = nn.Parameter(torch.randn(1, 1, decoder_width) * 0.02)
        positions = position_scale(init) * sequence_positions(self.encoder.grid.l, decoder_width)
        self.register_buffer("decoder_positions", positions, persistent=False)
        self.decoder_blocks = nn.ModuleList(
            VideoMAEBlock(width=decoder_width, heads=decoder_heads, mlp_ratio=decoder_mlp_ratio, eps=eps)
            for _ in range(decoder_depth)
        )
        self.decoder_norm = nn.LayerNorm(decoder_width, eps=eps if last_eps is None else last_eps)
        self.head = nn.Linear(decoder_width, channels * tubelet_size * patch_size**2)
        self.register_buffer("pixel_std", torch.tensor(pixel_std), persistent=False)
        self.standardised = standardised
        initialise(self, init)

    def forward(self, video: Tensor, mask: Tensor) -> Tensor:
        """video `(b, c, t, h, w)`, mask `(b, l)` bool, True = hidden, as many in each clip."""
        return self.paint(video, *self._split(video, mask))

    def loss(self, video: Tensor, mask: Tensor) -> Tensor:
        """Mean squared error over the pixels of the hidden tubelets alone."""
        visible, hidden = self._split(video, mask)
        target = take(tubelet_targets(video, self.tubelet, self.pixel_std if self.standardised else None), hidden)
        return F.mse_loss(self.paint(video, visible, hidden), target)

    def paint(self, video: Tensor, visible: Tensor, hidden: Tensor) -> Tensor:
        """The same as calling the model, with the mask as token numbers: `(b, v)` visible and `(b, m)` hidden."""
        tokens, grid = self.encoder(video, visible)
        tokens = self.to_decoder(self.norm(tokens))  # (b, v, d')
        everywhere = self.mask_token.to(tokens.dtype).expand(len(tokens), grid.l, -1)
        x = everywhere.scatter(1, visible[..., None].expand_as(tokens), tokens)  # (b, l, d')
        x = x + resize_joint(self.decoder_positions, self.encoder.grid, grid)
        for block in self.decoder_blocks:
            x = block(x, grid, cls=False)
        return self.head(self.decoder_norm(take(x, hidden)))

    def _split(self, video: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        expected = (len(video), video[0, 0].numel() // math.prod(self.tubelet))
        if mask.shape != expected:
            raise ValueError(f"this clip needs a mask {expected} (b, l), got {tuple(mask.shape)}")
        return split_mask(mask)


def split_mask(mask: Tensor) -> tuple[Tensor, Tensor]:
    """`(b, l)` bool -> numbers of the visible and of the hidden tokens, in order: `(b, visible)` and `(b, hidden)`."""
    if mask.ndim != 2 or mask.dtype != torch.bool:
        raise ValueError(f"expected a bool mask (b, l), True = hidden, got {mask.dtype} {tuple(mask.shape)}")
    counts = mask.sum(dim=1)
    if (counts != counts[0]).any() or not 0 < counts[0] < mask.shape[1]:
        raise ValueError(f"every clip must hide as many tokens, some but not all of {mask.shape[1]}; "
                         f"got {counts.tolist()}")
    order = mask.byte().argsort(dim=1, stable=True)  # visible first
    return order[:, : -int(counts[0])], order[:, -int(counts[0]):]


def tubelet_targets(video: Tensor, tubelet: tuple[int, int, int], pixel_std: Tensor | None) -> Tensor:
    """`(b, c, t, h, w)` -> `(b, l, p0*p1*p2*c)`: each tubelet's pixels, standardised within it, channel by channel.

    So the model paints contrast, not brightness. As published: unbiased variance, 1e-6 added to the deviation of
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


def position_scale(init: str) -> float:
    """Factor of the fixed sin-cos tables: their rms is sqrt(1/2) as published, 1 from scratch."""
    return 2**0.5 if position_std(init) == 1 else 1.0


# ------------------------------------------------------------------------------------------------- published sizes


def videomae_motion(**changes) -> VideoMAE:
    """The small video model of the course: 8 frames of 32 x 32 pixels, tubelets of 2 x 8 x 8, eight directions."""
    return VideoMAE(**{**dict(frames=8, image_size=32, tubelet_size=2, patch_size=8, width=64, depth=3, heads=4,
                              classes=8, mlp_ratio=2.0, init="from_scratch"), **changes})


def videomae_pretraining_motion(**changes) -> VideoMAEPretraining:
    """Pretraining for `videomae_motion`: it paints pixels as they are, because standardising the tubelets of a plain,
    slightly noisy background makes noise the larger part of what there is to paint."""
    return VideoMAEPretraining(**{**dict(
        frames=8, image_size=32, tubelet_size=2, patch_size=8, width=64, depth=3, heads=4, decoder_width=32,
        decoder_depth=1, decoder_heads=2, mlp_ratio=2.0, decoder_mlp_ratio=2.0, standardised=False,
        init="from_scratch"), **changes})


def videomae_small(**changes) -> VideoMAE:
    """VideoMAE ViT-S, 16 frames (22.0 M parameters, 57.0 G multiply-adds)."""
    return VideoMAE(**{**dict(width=384, heads=6), **changes})


def videomae_base(**changes) -> VideoMAE:
    """VideoMAE ViT-B, 16 frames (86.5 M parameters, 180.3 G multiply-adds)."""
    return VideoMAE(**changes)


def videomae_large(**changes) -> VideoMAE:
    """VideoMAE ViT-L, 16 frames (304 M parameters, 597 G multiply-adds)."""
    return VideoMAE(**{**dict(width=1024, depth=24, heads=16), **changes})


def videomae_pretraining_base(**changes) -> VideoMAEPretraining:
    """Pretraining of VideoMAE ViT-B: a decoder of 4 blocks, 384 wide (94.2 M parameters)."""
    return VideoMAEPretraining(**changes)
