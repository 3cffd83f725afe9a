"""Patterns of video generators, whose clips have a hundred thousand tokens: sliding tiles, and a window that shrinks.

Both were made for kernels that work on whole blocks of queries and keys; here each is its predicate and its groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import ceil, prod

import torch
from torch import Tensor

from videoformer_edu.attention.patterns import Pattern, Place, Union, check_grid, check_positive, token_numbers
from videoformer_edu.tokens import Grid


@dataclass(frozen=True)
class SlidingTile(Pattern):
    """Every token looks at the `window` of whole tiles around its own tile (Sliding Tile Attention, 2502.04507).

    tile: the tokens of a tile, `(t, h, w)`; they all look at the same keys. window: `(t, h, w)` tiles, odd numbers. At
    the border the window does not shrink: it stays inside the clip. Where the tiles divide the grid, every block of
    one tile's queries with one tile's keys is dense or empty; a window that slides by single tokens leaves mixed ones.
    """

    tile: tuple[int, int, int]
    window: tuple[int, int, int] = (3, 3, 3)

    def __post_init__(self):
        for name, value in (("tile", self.tile), ("window", self.window)):
            if not isinstance(value, tuple) or len(value) != 3:
                raise ValueError(f"{name} must be a tuple of three numbers (t, h, w), got {value!r}")
            check_positive("SlidingTile", **{f"{name} {axis}": size for axis, size in zip("thw", value, strict=True)})
        for axis, size in zip("thw", self.window, strict=True):
            if size % 2 == 0:
                raise ValueError(f"a window of {size} tiles along {axis} has no middle; use {size - 1} or {size + 1}")

    def axes(self, grid: Grid) -> list[tuple[int, int, int, int]]:
        """For each axis: how many tokens, how many of them a tile, how many tiles, how many of them a window."""
        tiles = [ceil(size / tile) for size, tile in zip(check_grid(grid), self.tile, strict=True)]
        return [(size, tile, number, min(window, number))
                for size, tile, number, window in zip(grid, self.tile, tiles, self.window, strict=True)]

    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        inside = []
        for q, k, (_, tile, number, window) in zip(query, key, self.axes(grid), strict=True):
            first = (q // tile - window // 2).clamp(0, number - window)  # of the tiles that this query's tile looks at
            inside.append((k // tile >= first) & (k // tile < first + window))
        return reduce(torch.logical_and, inside)

    def pairs(self, grid: Grid) -> int:
        along = []
        for size, tile, number, window in self.axes(grid):
            long = [tile] * (number - 1) + [size - (number - 1) * tile]  # the last tile may be cut off
            first = [min(max(i - window // 2, 0), number - window) for i in range(number)]
            along.append(sum(long[i] * sum(long[first[i]:first[i] + window]) for i in range(number)))
        return prod(along)

    def tiles(self, grid: Grid) -> Tensor:
        """`(tiles t, tiles h, tiles w, tokens of a tile)` token numbers; -1 where a tile is cut off."""
        (_, t, nt, _), (_, h, nh, _), (_, w, nw, _) = self.axes(grid)
        numbers = torch.full((nt * t, nh * h, nw * w), -1)
        numbers[:grid.t, :grid.h, :grid.w] = token_numbers(grid).reshape(tuple(grid))
        return numbers.reshape(nt, t, nh, h, nw, w).permute(0, 2, 4, 1, 3, 5).flatten(3)

    def groups(self, grid: Grid) -> Tensor:
        return self.tiles(grid).flatten(0, 2)  # one group a tile

    def keys(self, grid: Grid, key_grid: Grid) -> Tensor:
        tiles = self.tiles(grid)
        for axis, (_, _, number, window) in enumerate(self.axes(grid)):
            first = (torch.arange(number) - window // 2).clamp(0, number - window)
            around = first[:, None] + torch.arange(window)  # (tiles, tiles of the window)
            tiles = tiles.index_select(axis, around.flatten()).unflatten(axis, (number, window)).movedim(axis + 1, -1)
        return tiles.flatten(3).flatten(0, 2)  # (tiles, tokens of a tile * tiles of the window)


@dataclass(frozen=True)
class TimeBand(Pattern):
    """Every token looks into the frames at distance `near` to `far - 1`, at places less than `width` from its own.

    A place is counted along the flattened frame, row after row. every: of these frames, those whose distance it
    divides.
    """

    near: int
    far: int
    width: int
    every: int = 1

    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        apart = (query.t - key.t).abs()
        beside = ((query.h - key.h) * grid.w + query.w - key.w).abs()
        return (apart >= self.near) & (apart < self.far) & (apart % self.every == 0) & (beside < self.width)

    def pairs(self, grid: Grid) -> int:
        width = min(self.width, check_grid(grid).n)
        frames = sum((1 if apart == 0 else 2) * (grid.t - apart)
                     for apart in range(self.near, min(self.far, grid.t)) if apart % self.every == 0)
        return frames * (grid.n * (2 * width - 1) - width * (width - 1))  # a band loses a corner at either end

    def groups(self, grid: Grid) -> Tensor:
        """Stretches of `width` tokens of a frame: neighbours, so that they share most of their keys."""
        width = min(self.width, grid.n)
        numbers = torch.full((grid.t, ceil(grid.n / width) * width), -1)
        numbers[:, :grid.n] = token_numbers(grid)
        return numbers.reshape(-1, width)

    def keys(self, grid: Grid, key_grid: Grid) -> Tensor:
        width = min(self.width, grid.n)
        here, there = torch.arange(grid.t)[:, None], torch.arange(grid.t)
        apart = (here - there).abs()
        wanted = (apart >= self.near) & (apart < self.far) & (apart % self.every == 0)  # (t, t')
        frames = torch.where(wanted, there, -1).sort(dim=1, descending=True).values[:, :int(wanted.sum(1).max())]
        long = min(3 * width - 2, grid.n)  # the tokens of a stretch and their neighbours on both sides
        first = (torch.arange(0, grid.n, width) - (width - 1)).clamp(0, grid.n - long)
        beside = first[:, None] + torch.arange(long)  # (stretches, k)
        keys = frames[:, None, :, None] * grid.n + beside[:, None]  # (t, stretches, frames, k)
        return torch.where(frames[:, None, :, None] >= 0, keys, -1).flatten(2).flatten(0, 1)

    def group_mask(self, grid: Grid) -> Tensor | None:
        numbers, keys = self.groups(grid)[:, :, None], self.keys(grid, grid)[:, None]
        real = numbers.clamp(min=0) % grid.n - keys.clamp(min=0) % grid.n
        mask = (keys >= 0) & (real.abs() < self.width)
        return None if mask.all() else mask


@dataclass(frozen=True)
class Radial(Union):
    """The further away in time, the smaller the window: half as wide at each doubled distance (2506.19852, section 4).

    Of a frame of n patches, all are seen in the own frame and the next, those nearer than n/2 at distance 2 and 3, than
    n/4 at 4 to 7, ... When one patch is left, the own place, fewer and fewer frames are looked at. Each octave costs
    about the same, so l tokens have O(l log l) pairs for frames of a fixed size. A place is counted along the flattened
    frame. The published kernel rounds to blocks of 128 tokens, and lets every token see the first frame, too.
    """

    def parts(self, grid: Grid) -> tuple[Pattern, ...]:
        """Distances 0 and 1, then one part an octave: 2 and 3, 4 to 7, ..."""
        parts, near = [TimeBand(0, 2, grid.n)], 2
        while near < grid.t:
            parts.append(TimeBand(near, 2 * near, max(1, grid.n // near), ceil(near / grid.n)))
            near *= 2
        return tuple(part for part in parts if part.pairs(grid))

    def pairs(self, grid: Grid) -> int:
        return sum(part.pairs(grid) for part in self.parts(check_grid(grid)))


__all__ = ["Radial", "SlidingTile", "TimeBand"]
