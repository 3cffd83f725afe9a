"""Patterns of video generators, whose clips have a hundred thousand tokens: sliding tiles, and a window that shrinks.

Both were made for kernels that work on whole blocks of queries and keys; here each is its predicate and its groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import ceil, prod

import torch
from torch import Tensor

from videoformer_edu.attention.patterns import Pattern, Place, check_grid, check_positive, token_numbers
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
class Radial(Pattern):
    """The further away in time, the smaller the window: half as wide at each doubled distance (2506.19852, section 4).

    Of a frame of n patches, all are seen in the own frame and the next, those nearer than n/2 at distance 2 and 3, than
    n/4 at 4 to 7, ... When one patch is left, the own place, fewer and fewer frames are looked at. Each octave costs
    about the same, so l tokens have O(l log l) pairs for frames of a fixed size. A place is counted along the flattened
    frame. The published kernel rounds to blocks of 128 tokens, and lets every token see the first frame, too.
    """

    def width(self, apart: Tensor, grid: Grid) -> Tensor:
        """At this distance in time, places less than this from the own one are seen; 0: none. Whole numbers."""
        width, near = torch.where(apart < 2, grid.n, 0), 2
        while near < grid.t:  # one octave after the other
            octave = (apart >= near) & (apart < 2 * near) & (apart % ceil(near / grid.n) == 0)
            width = torch.where(octave, max(1, grid.n // near), width)
            near *= 2
        return width

    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        beside = ((query.h - key.h) * grid.w + query.w - key.w).abs()
        return beside < self.width((query.t - key.t).abs(), grid)

    def pairs(self, grid: Grid) -> int:
        widths = self.width(torch.arange(check_grid(grid).t), grid).tolist()
        return sum((1 if apart == 0 else 2) * (grid.t - apart)  # frames at that distance ...
                   * (grid.n * (2 * width - 1) - width * (width - 1))  # ... in each a band without its two corners
                   for apart, width in enumerate(widths) if width)

    def groups(self, grid: Grid) -> Tensor:
        """Stretches of an eighth of a frame: neighbours, so that they share most of their keys."""
        stretch = ceil(grid.n / 8)
        numbers = torch.full((grid.t, ceil(grid.n / stretch) * stretch), -1)
        numbers[:, :grid.n] = token_numbers(grid)
        return numbers.reshape(-1, stretch)

    def keys(self, grid: Grid, key_grid: Grid) -> Tensor:
        here, there = torch.arange(grid.t)[:, None], torch.arange(grid.t)
        widths, stretch, columns = self.width((here - there).abs(), grid), ceil(grid.n / 8), []
        for width in widths.unique().tolist():
            if width == 0:
                continue
            long = min(stretch + 2 * (width - 1), grid.n)  # the tokens of a stretch and their neighbours
            first = (torch.arange(0, grid.n, stretch) - (width - 1)).clamp(0, grid.n - long)
            beside = first[:, None] + torch.arange(long)  # (stretches, long)
            numbers = there[:, None, None] * grid.n + beside  # (t', stretches, long)
            numbers = torch.where((widths == width)[..., None, None], numbers, -1)  # (t, t', stretches, long)
            columns.append(numbers.transpose(1, 2).flatten(2))
        keys = torch.cat(columns, dim=2).flatten(0, 1).sort(dim=1, descending=True).values
        return keys[:, :int((keys >= 0).sum(1).max())]  # the rest is padding in every group

    def group_mask(self, grid: Grid) -> Tensor | None:
        queries, keys = self.groups(grid), self.keys(grid, grid)
        apart = (queries[:, :1] // grid.n - keys // grid.n).abs()  # (groups, k): a stretch lies in one frame
        beside = (queries[:, :, None] % grid.n - keys[:, None] % grid.n).abs()  # (groups, q, k)
        mask = (beside < self.width(apart, grid)[:, None]) & (keys >= 0)[:, None]
        mask |= (queries < 0)[:, :, None]  # padding itself may look at anything: no row is empty
        return None if mask.all() else mask


__all__ = ["Radial", "SlidingTile"]
