"""Where a token sits: learned tables and sines, their resizing to another grid; rotary positions need no table."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.tokens import Grid


def resize_space(table: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """`(..., h*w, d)` -> `(..., h'*w', d)`: a 2-D bicubic resize of a table that lies row by row.

    The official TimeSformer resizes the flattened table in 1-D, which repeats each patch along its row: geometrically
    wrong. The grid has two axes, so both are resized.
    """
    if tuple(old) == tuple(new):
        return table
    lead, d = table.shape[:-2], table.shape[-1]
    x = table.reshape(-1, *old, d).permute(0, 3, 1, 2)  # (lead, d, h, w)
    x = F.interpolate(_wide(x), size=tuple(new), mode="bicubic", align_corners=False).to(table.dtype)
    return x.permute(0, 2, 3, 1).reshape(*lead, new[0] * new[1], d)


def _wide(x: Tensor) -> Tensor:
    """16-bit floats as float32, to be resized in; float32 and float64 as they are."""
    return x.float() if x.dtype.itemsize < 4 else x


def resize_time(table: Tensor, new: int) -> Tensor:
    """`(t, d)` -> `(t', d)`: 1-D linear resize, so that the clip's first and last part keep their meaning."""
    if table.shape[0] == new:
        return table
    x = _wide(table).T[None]  # (1, d, t)
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



class NoPositions(nn.Module):
    """Stands where a table would, and adds nothing: for attention that learns of places by rotation."""

    def __init__(self, *, cls: bool):
        super().__init__()
        self.cls = cls
        self.register_buffer("nothing", torch.zeros(1, 1), persistent=False)

    def forward(self, *sizes: int | Grid) -> Tensor:
        """The sizes that the table would be asked for -> zeros `([1 +] places, 1)`."""
        places = math.prod(size.l if isinstance(size, Grid) else size for size in sizes)
        return self.nothing.expand(int(self.cls) + places, 1)


# ---------------------------------------------------------------------------------------------------- rotary positions


def rotary_angles(grid: Grid, width: int, *, fastest: float = math.pi / 2, slowest: float = math.pi / 16) -> Tensor:
    """`(t*h*w, pairs)` angles in radians by which the channel pairs of a head of `width` channels are turned.

    Time, row and column own `width // 6` pairs each, in this order; channels that are left over are not turned. A token
    in frame 5 turns the pairs of time by 5 times their frequencies, and so on (RoFormer, arXiv:2104.09864, equation 15;
    axis by axis as in V-JEPA 2, arXiv:2506.09985). `fastest` and `slowest` are the first and the last frequency of each
    axis, in radians per place, the others evenly spaced in log between them. Raises ValueError for a width below 6.
    """
    if width < 6:
        raise ValueError(f"t, h and w need a pair of channels each, so a head needs a width of at least 6; got {width}")
    omega = torch.logspace(math.log10(fastest), math.log10(slowest), width // 6)  # radians per place
    places = torch.cartesian_prod(*(torch.arange(size) for size in grid))  # (l, 3): frame, row, column
    return (places[:, :, None] * omega).flatten(1)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turn the channel pairs (0, 1), (2, 3), ... of `x` `(..., l, e)` by `angles` `(..., l, pairs)`.

    The score of a turned query and a turned key depends on the *difference* of their angles alone: on how far apart the
    two tokens are, not on where they are nor on how long the clip is.
    """
    pairs, rest = x.split([2 * angles.shape[-1], x.shape[-1] - 2 * angles.shape[-1]], dim=-1)
    first, second = pairs[..., 0::2], pairs[..., 1::2]
    cos, sin = angles.cos().to(x), angles.sin().to(x)
    turned = torch.stack([first * cos - second * sin, first * sin + second * cos], dim=-1)
    return torch.cat([turned.flatten(-2), rest], dim=-1)
