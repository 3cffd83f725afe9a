"""Sparse patterns: every token looks at a few, chosen by distance in time, by stride or by window.

`l` tokens with `k` keys each are `l*k` pairs: linear in the length of the clip, where joint attention has `l*l`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import ceil

import torch
from torch import Tensor

from videoformer_edu.attention.patterns import (
    Pattern,
    Place,
    check_grid,
    check_positive,
    place_of,
    token_numbers,
)
from videoformer_edu.tokens import Grid


@dataclass(frozen=True)
class LocalTemporal(Pattern):
    """Every token looks at its own place in the `window` frames around its own; the middle one is its own frame.

    With `dilation` > 1 the window has gaps: frames at distance 0, `dilation`, 2 `dilation`, ... (dilated attention).
    """

    window: int = 3
    dilation: int = 1

    def __post_init__(self):
        check_positive("LocalTemporal", window=self.window, dilation=self.dilation)
        if self.window % 2 == 0:
            raise ValueError(f"a window of {self.window} frames has no middle frame; "
                             f"use window={self.window - 1} or window={self.window + 1}")

    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        apart = (query.t - key.t).abs()
        near = (apart <= self.window // 2 * self.dilation) & (apart % self.dilation == 0)
        return near & (query.h == key.h) & (query.w == key.w)

    def pairs(self, grid: Grid) -> int:
        reach = range(-(self.window // 2), self.window // 2 + 1)
        return check_grid(grid).n * sum(max(0, grid.t - abs(step) * self.dilation) for step in reach)

    def groups(self, grid: Grid) -> Tensor:
        return token_numbers(grid).reshape(-1, 1)  # each query alone ...

    def keys(self, grid: Grid, key_grid: Grid) -> Tensor:
        steps = torch.arange(-(self.window // 2), self.window // 2 + 1) * self.dilation
        steps = steps[steps.abs() < grid.t]  # a window longer than the clip has no keys out there
        frame = torch.arange(grid.t)[:, None] + steps  # (t, k)
        inside = (frame >= 0) & (frame < grid.t)
        keys = frame[:, None] * grid.n + torch.arange(grid.n)[:, None]  # (t, n, k)
        return torch.where(inside[:, None], keys, -1).flatten(0, 1)  # ... with the frames around it


@dataclass(frozen=True)
class StridedTemporal(Pattern):
    """Every token looks at its own place in every `stride`-th frame, counted from its own in both directions.

    Frames fall into `stride` residue classes that never meet in this pattern alone.
    """

    stride: int = 4

    def __post_init__(self):
        check_positive("StridedTemporal", stride=self.stride)

    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        return ((query.t - key.t) % self.stride == 0) & (query.h == key.h) & (query.w == key.w)

    def pairs(self, grid: Grid) -> int:
        long, short = check_grid(grid).t % self.stride, self.stride - grid.t % self.stride  # classes of either length
        each = grid.t // self.stride
        return grid.n * (long * (each + 1) ** 2 + short * each**2)

    def groups(self, grid: Grid) -> Tensor:
        classes = min(self.stride, check_grid(grid).t)
        frame = torch.arange(classes)[:, None] + torch.arange(ceil(grid.t / self.stride)) * self.stride  # (classes, q)
        numbers = frame[:, None] * grid.n + torch.arange(grid.n)[:, None]  # (classes, n, q)
        return torch.where(frame[:, None] < grid.t, numbers, -1).flatten(0, 1)


@dataclass(frozen=True)
class GlobalSpatial(Pattern):
    """Every token looks across its whole frame, at the patches of every `stride`-th row and column, from 0 on.

    Both axes are strided: `::stride` on the flattened patches would only drop columns where the width is even.
    """

    stride: int = 2

    def __post_init__(self):
        check_positive("GlobalSpatial", stride=self.stride)

    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        return (query.t == key.t) & (key.h % self.stride == 0) & (key.w % self.stride == 0)

    def keys_per_frame(self, grid: Grid) -> int:
        return ceil(grid.h / self.stride) * ceil(grid.w / self.stride)

    def pairs(self, grid: Grid) -> int:
        return check_grid(grid).l * self.keys_per_frame(grid)

    def groups(self, grid: Grid) -> Tensor:
        return token_numbers(grid)  # t groups of n queries

    def keys(self, grid: Grid, key_grid: Grid) -> Tensor:
        return token_numbers(grid).reshape(tuple(grid))[:, ::self.stride, ::self.stride].flatten(1)


@dataclass(frozen=True)
class SparseSpaceTime(Pattern):
    """Local temporal, global spatial and strided temporal in one: near frames, the own frame, every k-th frame.

    One softmax over the union of the three sets of keys; `parts` are the three patterns, in the order in which a key
    that belongs to several of them is counted.
    """

    window: int = 3
    stride: int = 4
    spatial_stride: int = 1

    def __post_init__(self):
        check_positive("SparseSpaceTime", spatial_stride=self.spatial_stride)
        _ = self.parts  # which check the other two

    @property
    def parts(self) -> tuple[Pattern, ...]:
        return GlobalSpatial(self.spatial_stride), LocalTemporal(self.window), StridedTemporal(self.stride)

    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        return reduce(torch.logical_or, (part.looks(query, key, grid) for part in self.parts))

    def pairs(self, grid: Grid) -> int:
        space, local, strided = self.parts
        grid = check_grid(grid)
        both = LocalTemporal(2 * (self.window // 2 // self.stride) + 1, dilation=self.stride)  # near and k-th
        itself = grid.t * space.keys_per_frame(grid)  # the one place that own frame and tube share
        return space.pairs(grid) + local.pairs(grid) + strided.pairs(grid) - both.pairs(grid) - itself

    def part_mask(self, part: int, grid: Grid) -> Tensor | None:
        """The group mask of one part, without the pairs that an earlier part has: `(groups, 1 or q, k)`; None: all."""
        pattern, earlier = self.parts[part], self.parts[:part]
        mask = pattern.group_mask(grid)
        if earlier:
            query = place_of(pattern.groups(grid)[:, :, None], grid)
            key = place_of(pattern.keys(grid, grid)[:, None], grid)
            new = ~reduce(torch.logical_or, (other.looks(query, key, grid) for other in earlier))
            mask = new if mask is None else mask & new
        return mask

    def groups(self, grid: Grid) -> Tensor:
        return token_numbers(grid).reshape(-1, 1)

    def keys(self, grid: Grid, key_grid: Grid) -> Tensor:
        columns = []
        for i, part in enumerate(self.parts):
            queries, keys, mask = part.groups(grid), part.keys(grid, grid), self.part_mask(i, grid)
            rows = keys[:, None].expand(-1, queries.shape[1], -1)  # (groups, q, k)
            rows = rows if mask is None else torch.where(mask, rows, -1)
            table = rows.new_empty(grid.l, keys.shape[1])
            table[queries[queries >= 0]] = rows[queries >= 0]
            columns.append(table)
        return torch.cat(columns, dim=1)  # (l, k1 + k2 + k3)


@dataclass(frozen=True)
class LocalWindow(Pattern):
    """Every token looks at the tokens of its own window of `window = (t, h, w)` tokens (Video Swin, section 3.2).

    Windows tile the clip from its first corner; `shift` moves all borders, so that the next layer's windows straddle
    this layer's: the first and last windows of an axis are then cut off. On an axis that is no longer than the window,
    the window is the whole axis and there is no shift.
    """

    window: tuple[int, int, int]
    shift: tuple[int, int, int] = (0, 0, 0)

    def __post_init__(self):
        for name, value in (("window", self.window), ("shift", self.shift)):
            if not isinstance(value, tuple) or len(value) != 3:
                raise ValueError(f"{name} must be a tuple of three numbers (t, h, w), got {value!r}")
        for axis, window, shift in zip("thw", self.window, self.shift, strict=True):
            check_positive("LocalWindow", **{f"window {axis}": window})
            if not isinstance(shift, int) or not 0 <= shift < window:
                raise ValueError(f"the shift along {axis} must be from 0 to {window - 1}, less than the window "
                                 f"{window}, got {shift!r}")

    def clamped(self, grid: Grid) -> tuple[Grid, Grid]:
        """The window and the shift that this grid gets."""
        fits = [size <= window for size, window in zip(check_grid(grid), self.window, strict=True)]
        window = Grid(*(size if fit else w for fit, size, w in zip(fits, grid, self.window, strict=True)))
        return window, Grid(*(0 if fit else s for fit, s in zip(fits, self.shift, strict=True)))

    def padded(self, grid: Grid) -> Grid:
        """The grid that whole windows cover: each axis padded at its end."""
        window, _ = self.clamped(grid)
        return Grid(*(ceil(size / w) * w for size, w in zip(grid, window, strict=True)))

    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        window, shift = self.clamped(grid)
        same = ((q - s) // w == (k - s) // w for q, k, s, w in zip(query, key, shift, window, strict=True))
        return reduce(torch.logical_and, same)

    def pairs(self, grid: Grid) -> int:
        total = 1
        for size, w, s in zip(grid, *self.clamped(grid), strict=True):
            total *= s**2 + (size - s) // w * w**2 + ((size - s) % w) ** 2  # cut off, whole windows, rest
        return total

    def groups(self, grid: Grid) -> Tensor:
        """The windows of the padded clip, rolled back by the shift (the cyclic shift of the paper's figure 3)."""
        window, shift = self.clamped(grid)
        padded = self.padded(grid)
        numbers = torch.full(tuple(padded), -1)
        numbers[:grid.t, :grid.h, :grid.w] = token_numbers(grid).reshape(tuple(grid))
        numbers = numbers.roll([-s for s in shift], dims=(0, 1, 2))
        for axis, w in enumerate(window):
            numbers = numbers.unflatten(2 * axis, (-1, w))  # (windows, inside) for each axis
        return numbers.permute(0, 2, 4, 1, 3, 5).reshape(-1, window.l)

    def group_mask(self, grid: Grid) -> Tensor | None:
        """Padding is not looked at, and a window that the roll put together from both ends of the clip falls apart."""
        padded = self.padded(grid)
        place = place_of(self.groups(padded), padded)  # of padding, too
        same = self.looks(Place(*(x[:, :, None] for x in place)), Place(*(x[:, None] for x in place)), padded)
        real = self.groups(grid) >= 0
        mask = same & (real[:, None] | ~real[:, :, None])  # padding itself may look at anything: no row is empty
        return None if mask.all() else mask
