"""Recorded maps made small enough for a page: heads averaged, neighbouring patches pooled, and that said in words."""

from __future__ import annotations

import torch
from einops import reduce

from videoformer_edu.tokens import Grid
from videoformer_edu.widgets.maps import ShownMap

BUDGET = 3_000_000  # shares in a page, a byte each; zeros, which pack well, are not counted


def fit(maps: dict[str, ShownMap]) -> tuple[dict[str, ShownMap], str]:
    """The maps as they are where they fit into a page; else the mean of their heads; else patches pooled 2 x 2, 3 x 3,
    ... as well. -> the maps, and what was done to them in words ("" for nothing).

    Raises ValueError where not even one patch a frame would fit.
    """
    if _bytes(maps) <= BUDGET:
        return maps, ""
    maps = {name: m._replace(shares=m.shares.mean(0, keepdim=True), first_head=0) for name, m in maps.items()}
    if _bytes(maps) <= BUDGET:
        return maps, "the mean over the heads"
    largest = max(max(m.grid.h, m.grid.w, m.keys.h, m.keys.w) for m in maps.values())
    for factor in range(2, largest + 1):
        pooled = {name: pool(m, factor) for name, m in maps.items()}
        if _bytes(pooled) <= BUDGET:
            return pooled, f"the mean over the heads, {factor} x {factor} patches taken together where that divides"
    raise ValueError(f"{len(maps)} maps of {max(m.grid.l for m in maps.values())} tokens do not fit into a page; "
                     "choose one with --layer, or fewer frames with --frames")


def pool(shown: ShownMap, factor: int) -> ShownMap:
    """`factor` x `factor` patches of a frame as one: as keys their shares are added, as queries averaged.

    A grid that the factor does not divide stays as it is. CLS stays by itself.
    """
    cls = int(shown.cls)
    own, shares = shown.shares[:, :cls], shown.shares[:, cls:]  # (head, cls, t, h, w), (head, l, t, h, w)
    grid, keys = _pooled(shown.grid, factor), _pooled(shown.keys, factor)
    if keys != shown.keys:
        own, shares = (reduce(x, "head q t (h f) (w g) -> head q t h w", "sum", f=factor, g=factor)
                       for x in (own, shares))
    if grid != shown.grid:
        shares = reduce(shares, "head (t h f w g) tk hk wk -> head (t h w) tk hk wk", "mean", f=factor, g=factor,
                        t=grid.t, h=grid.h)
    return ShownMap(torch.cat([own, shares], dim=1), grid, shown.first_head)


def _pooled(grid: Grid, factor: int) -> Grid:
    return grid if grid.h % factor or grid.w % factor else Grid(grid.t, grid.h // factor, grid.w // factor)


def _bytes(maps: dict[str, ShownMap]) -> int:
    return sum(int(m.shares.count_nonzero()) for m in maps.values())
