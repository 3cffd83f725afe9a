"""From video to tokens and back: patches, tubelets, position tables.

A video is `(b, c, t, h, w)`. Tokens are `(b, l, d)` and run `(t h w)`, time slowest: token `l` sits in frame
`l // (h*w)`. CLS, where a model has one, is index 0 and belongs to no place on the grid.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


class Grid(NamedTuple):
    """The shape of the token grid: `t` frames (or tubelet steps) of `h` rows and `w` columns of patches."""

    t: int
    h: int
    w: int

    @property
    def n(self) -> int:
        """Patches in one frame."""
        return self.h * self.w

    @property
    def l(self) -> int:  # noqa: E743 - the papers' letter for the sequence length
        """Patches in the whole clip."""
        return self.t * self.h * self.w


def to_grid(tokens: Tensor, grid: Grid) -> Tensor:
    """`(b, t*h*w, d)` patch tokens (without CLS) -> `(b, t, h, w, d)`."""
    if tokens.shape[-2] != grid.l:
        raise ValueError(f"{tokens.shape[-2]} tokens do not fill a grid of {grid.t} x {grid.h} x {grid.w} = {grid.l}; "
                         "take CLS off first (tokens[:, 1:]) or pass the grid that the patch embedding returned")
    return rearrange(tokens, "b (t h w) d -> b t h w d", t=grid.t, h=grid.h, w=grid.w)


def to_sequence(x: Tensor) -> Tensor:
    """`(b, t, h, w, d)` -> `(b, t*h*w, d)`, time slowest."""
    return rearrange(x, "b t h w d -> b (t h w) d")


# ---------------------------------------------------------------------------------------------------- embeddings


def check_video(video: Tensor, channels: int, patch: tuple[int, int, int]) -> None:
    """A ValueError in words unless `video` is float `(b, c, t, h, w)` and `patch` (t, h, w) divides its last axes."""
    if video.ndim != 5:
        raise ValueError(f"expected a video (b, c, t, h, w), got {video.ndim} axes {tuple(video.shape)}; "
                         "one clip needs a batch axis: clip[None]")
    if video.shape[1] != channels:
        raise ValueError(f"expected {channels} channels on axis 1 of (b, c, t, h, w), got {tuple(video.shape)}; "
                         "a (b, t, c, h, w) clip needs video.transpose(1, 2)")
    if not video.is_floating_point():
        raise ValueError(f"expected float pixels, got {video.dtype}; normalise the uint8 clip first")
    for name, size, step in zip(("frames", "height", "width"), video.shape[2:], patch, strict=True):
        if size % step or size == 0:
            raise ValueError(f"{name} is {size}, which the patch size {step} does not divide; "
                             f"use {max(step, size - size % step)} or {size - size % step + step}")


class PatchEmbed(nn.Module):
    """Cut every frame into `patch_size` x `patch_size` squares and project each one to a token.

    A convolution whose stride equals its kernel *is* that: one linear map for all patches (ViT, section 3.1).
    """

    def __init__(self, *, patch_size: int, width: int, channels: int = 3):
        super().__init__()
        self.patch_size, self.channels = patch_size, channels
        self.proj = nn.Conv2d(channels, width, kernel_size=patch_size, stride=patch_size)

    def forward(self, video: Tensor) -> tuple[Tensor, Grid]:
        """video `(b, c, t, h, w)` -> tokens `(b, t*h'*w', d)` and their `Grid(t, h', w')`."""
        check_video(video, self.channels, (1, self.patch_size, self.patch_size))
        b, _, t, _, _ = video.shape
        frames = rearrange(video, "b c t h w -> (b t) c h w")
        x = self.proj(frames)  # (b*t, d, h', w')
        grid = Grid(t, x.shape[-2], x.shape[-1])
        return rearrange(x, "(b t) d h w -> b (t h w) d", b=b), grid


class TubeletEmbed(nn.Module):
    """Cut the clip into boxes of `tubelet_size` frames x `patch_size` x `patch_size` pixels (ViViT, section 3.2).

    A tubelet sees several frames at once: it can carry motion before any attention has looked at time.
    """

    def __init__(self, *, tubelet_size: int, patch_size: int, width: int, channels: int = 3):
        super().__init__()
        self.kernel, self.channels = (tubelet_size, patch_size, patch_size), channels
        self.proj = nn.Conv3d(channels, width, kernel_size=self.kernel, stride=self.kernel)

    def forward(self, video: Tensor) -> tuple[Tensor, Grid]:
        """video `(b, c, t, h, w)` -> tokens `(b, t'*h'*w', d)` and their `Grid(t', h', w')`."""
        check_video(video, self.channels, self.kernel)
        x = self.proj(video)  # (b, d, t', h', w')
        return rearrange(x, "b d t h w -> b (t h w) d"), Grid(*x.shape[2:])


def inflate(weight: Tensor, t: int, how: str = "central_frame") -> Tensor:
    """An image model's patch filter `(d, c, h, w)` -> a tubelet filter `(d, c, t, h, w)` (ViViT, section 3.4).

    "central_frame": zero but for frame t // 2 (the second of two), so each tubelet starts as one frame.
    "average": the filter in every frame, divided by t, so each tubelet starts as the mean of its frames.
    """
    if how == "average":
        return weight[:, :, None].repeat(1, 1, t, 1, 1) / t
    if how != "central_frame":
        raise ValueError(f'how must be "central_frame" or "average", got {how!r}')
    tubelet = weight.new_zeros(*weight.shape[:2], t, *weight.shape[2:])
    tubelet[:, :, t // 2] = weight
    return tubelet


# ------------------------------------------------------------------------------------------------ position tables


def resize_space(table: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """`(..., h*w, d)` -> `(..., h'*w', d)`: a 2-D bicubic resize of a table that lies row by row.

    The official TimeSformer resizes the flattened table in 1-D, which repeats each patch along its row: geometrically
    wrong. The grid has two axes, so both are resized.
    """
    if tuple(old) == tuple(new):
        return table
    lead, d = table.shape[:-2], table.shape[-1]
    x = table.reshape(-1, *old, d).permute(0, 3, 1, 2)  # (lead, d, h, w)
    x = F.interpolate(x.float(), size=tuple(new), mode="bicubic", align_corners=False).to(table.dtype)
    return x.permute(0, 2, 3, 1).reshape(*lead, new[0] * new[1], d)


def resize_time(table: Tensor, new: int) -> Tensor:
    """`(t, d)` -> `(t', d)`: 1-D linear resize, so that the clip's first and last part keep their meaning."""
    if table.shape[0] == new:
        return table
    x = table.float().T[None]  # (1, d, t)
    return F.interpolate(x, size=new, mode="linear", align_corners=False)[0].T.to(table.dtype)


def resize_joint(table: Tensor, old: Grid, new: Grid) -> Tensor:
    """`(t*h*w, d)` -> `(t'*h'*w', d)`: bicubic in space and linear in time, so that places keep their meaning."""
    if old == new:
        return table
    x = rearrange(table, "(t n) d -> t n d", t=old.t)
    x = resize_space(x, old[1:], new[1:])  # (t, n', d)
    x = resize_time(rearrange(x, "t n d -> t (n d)"), new.t)  # (t', n'*d)
    return rearrange(x, "t (n d) -> (t n) d", n=new.n)


def sincos_at(places: Tensor, width: int, *, fastest: float, slowest: float) -> Tensor:
    """`(l,)` places, whole numbers or not -> `(l, width)`: sines, then cosines; see `sincos_1d`."""
    if width % 2:
        raise ValueError(f"a sin-cos table needs an even width, got {width}")
    omega = torch.logspace(math.log10(fastest), math.log10(slowest), width // 2, dtype=torch.float64,
                           device=places.device)
    angle = places.double()[:, None] * omega  # (l, width/2)
    return torch.cat([angle.sin(), angle.cos()], dim=1).float()


def sincos_1d(length: int, width: int, *, fastest: float = 1.0, slowest: float = 1e-4) -> Tensor:
    """`(length, width)` table of sines, then cosines; angular frequencies evenly spaced in log.

    `fastest` and `slowest` are in radians per position. The defaults are close to the original Transformer's
    (1 down to 1/10000), which are far too slow for 8 frames: see `sincos_time`.
    """
    return sincos_at(torch.arange(length), width, fastest=fastest, slowest=slowest)


def sincos_time(frames: int, width: int) -> Tensor:
    """`(frames, width)` sin-cos table for short clips, rms 1: frequencies from 0.75 pi down to pi/16 per frame."""
    return math.sqrt(2) * sincos_1d(frames, width, fastest=0.75 * math.pi, slowest=math.pi / 16)


def sincos_space(h: int, w: int, width: int, *, fastest: float = 1.0, slowest: float = 1e-4) -> Tensor:
    """`(h*w, width)` table: the first half of the width tells the row, the second half the column; see `sincos_1d`."""
    if width % 4:
        raise ValueError(f"a 2-D sin-cos table needs a width that 4 divides, got {width}")
    rows, columns = (sincos_1d(length, width // 2, fastest=fastest, slowest=slowest) for length in (h, w))
    return torch.cat([rows.repeat_interleave(w, dim=0), columns.repeat(h, 1)], dim=1)


def sincos_patches(h: int, w: int, width: int) -> Tensor:
    """`(h*w, width)` sin-cos table for a few patches a side, rms 1: frequencies from pi/2 per patch down to a quarter
    of a turn over the longer side, so that places differ clearly and neighbours resemble each other.
    """
    return math.sqrt(2) * sincos_space(h, w, width, fastest=math.pi / 2, slowest=math.pi / (2 * max(h, w)))


class SpacePositions(nn.Module):
    """A learned table for the places of one frame, shared by all frames; row 0 is CLS where `cls` is true."""

    def __init__(self, *, h: int, w: int, width: int, cls: bool = True, std: float = 0.02):
        super().__init__()
        self.size, self.cls = (h, w), cls
        self.table = nn.Parameter(torch.randn(int(cls) + h * w, width) * std)

    def forward(self, h: int, w: int) -> Tensor:
        """-> `([1 +] h*w, d)`, resized (2-D bicubic) if the frame is not the one the table was made for."""
        cls, patches = self.table[: int(self.cls)], self.table[int(self.cls):]
        return torch.cat([cls, resize_space(patches, self.size, (h, w))])


class TimePositions(nn.Module):
    """A learned table for the frames of a clip. `start` is "zero" (TimeSformer), "sincos" or a std for normal noise."""

    def __init__(self, *, frames: int, width: int, start: str | float = "zero"):
        super().__init__()
        if start == "zero":
            table = torch.zeros(frames, width)
        elif start == "sincos":
            table = sincos_time(frames, width)
        elif isinstance(start, int | float):
            table = torch.randn(frames, width) * start
        else:
            raise ValueError(f'start must be "zero", "sincos" or a number, got {start!r}')
        self.table = nn.Parameter(table)

    def forward(self, t: int) -> Tensor:
        """-> `(t, d)`, resized (1-D linear) if the clip is longer or shorter than the table."""
        return resize_time(self.table, t)


class JointPositions(nn.Module):
    """A learned table with one row for every place of every frame (ViViT model 1); row 0 is CLS where `cls` is true."""

    def __init__(self, *, grid: Grid, width: int, cls: bool = True, std: float = 0.02):
        super().__init__()
        self.grid, self.cls = Grid(*grid), cls
        self.table = nn.Parameter(torch.randn(int(cls) + self.grid.l, width) * std)

    def forward(self, grid: Grid) -> Tensor:
        """-> `([1 +] t*h*w, d)`: bicubic in space and linear in time if the clip's grid differs from the table's."""
        cls, patches = self.table[: int(self.cls)], self.table[int(self.cls):]
        return torch.cat([cls, resize_joint(patches, self.grid, Grid(*grid))])
