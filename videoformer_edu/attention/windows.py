"""Attention in local 3-D windows, plain and shifted, with a learned bias for every relative place.

W-MSA and SW-MSA of Video Swin (Liu et al. 2022, section 3.2), weight for weight as published: queries, keys and values
from one matrix, one output projection, and `relative_position_bias_table`.

The same computation stands here twice. `window_attention_in_steps` is the one to read; `WindowAttention` is the one
that models use. There one list of token numbers pads, shifts and partitions at once, and most windows, those without a
mask, are spared the table of masked biases. In the shifted first layer of Swin-T on 32 frames that took three fifths of
the time, with the backward pass as without it (one thread, in turn).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.constants import cached_constant
from videoformer_edu.attention.core import MultiHeadAttention, Where, attend
from videoformer_edu.attention.patterns import check_grid, place_of
from videoformer_edu.attention.sparse_patterns import LocalWindow
from videoformer_edu.tokens import Grid, to_grid

FEW = 2**18  # with fewer scores a head than this, one call for all windows is faster than one for each mask


class WindowAttention(MultiHeadAttention):
    """Each token looks at its window: `(b, l, d)` -> `(b, l, d)`. Computes `LocalWindow(window, shift)`, plus a bias.

    window: `(t, h, w)` in tokens; shift: how far the borders move, half a window in every other layer of Video Swin.
    Where the grid is no longer than the window along an axis, the window is the whole axis and is not shifted.

    Where whole windows do not fill the grid it is padded with zeros. The published code lets tokens look at padding
    (its key and value are the bias of `qkv`), and so does this module; `mask_padding=True` forbids it, which is the
    pattern to the letter.

    A window smaller than the table was made for uses the rows of the table for its own distances. The published code
    cuts the index matrix instead, `index[:n, :n]`, which is right when the window shrinks in time alone and gives wrong
    distances when it shrinks in space; `reference_quirks=True` does that, to have its logits on such small maps.
    """

    def __init__(self, *, width: int, heads: int, window: tuple[int, int, int] = (8, 7, 7),
                 shift: tuple[int, int, int] = (0, 0, 0), bias: bool = True, mask_padding: bool = False,
                 reference_quirks: bool = False):
        super().__init__(width=width, heads=heads, bias=bias)
        self.pattern = LocalWindow(tuple(window), tuple(shift))
        self.mask_padding, self.reference_quirks = mask_padding, reference_quirks
        t, h, w = self.pattern.window
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * t - 1) * (2 * h - 1) * (2 * w - 1), heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def relative_position_bias(self, window: Grid) -> Tensor:
        """`(head, n, n)` for a window of this size: the table's row for every distance in time, height and width."""
        table = self.relative_position_bias_table
        index = relative_position_index(self.pattern.window, tuple(window), self.reference_quirks, table.device)
        return table.T.contiguous().index_select(1, index).unflatten(1, (window.l, window.l))

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """x `(b, t*h*w, d)` -> the same shape."""
        grid = check_grid(grid)
        if x.shape[1] != grid.l:
            raise ValueError(f"expected {grid.l} tokens for the grid {tuple(grid)}, got {x.shape[1]}; "
                             "windows tile a grid: there is no place for CLS in them")
        plan = tiling(self.pattern, tuple(grid), self.mask_padding, self.record is not None, x.device)
        if plan.padding:
            x = F.pad(x, (0, 0, 0, 1))  # one row of zeros, which all padding shares
        windows = x.index_select(1, plan.tokens).unflatten(1, (-1, plan.window.l))  # (b, windows, n, d)
        qkv = rearrange(self.qkv(windows), "b g n (three head e) -> three b g head n e", three=3, head=self.heads)
        bias, record = self.relative_position_bias(plan.window), self.recorder(Where(self.pattern, grid))
        parts = zip(qkv.split(plan.sizes, dim=2), plan.masks, strict=True)
        out = torch.cat([attend(*part, mask, bias, record) for part, mask in parts], dim=1)
        out = self.proj(rearrange(out, "b g head n e -> b (g n) (head e)"))
        return out.index_select(1, plan.back)


def window_attention_in_steps(attention: WindowAttention, x: Tensor, grid: Grid) -> Tensor:
    """What `attention(x, grid)` computes, step by step (the paper's figure 3): `(b, t*h*w, d)` -> the same shape.

    Tokens look at padding, as published.
    """
    window, shift = attention.pattern.clamped(grid)  # an axis that is no longer than the window: all of it, no shift
    padded, size = attention.pattern.padded(grid), window._asdict()  # size: t, h, w of one window
    x = F.pad(to_grid(x, grid), (0, 0, 0, padded.w - grid.w, 0, padded.h - grid.h, 0, padded.t - grid.t))
    x = torch.roll(x, [-s for s in shift], dims=(1, 2, 3))  # shift: what leaves at the front comes in at the end
    x = rearrange(x, "b (i t) (j h) (k w) d -> b (i j k) (t h w) d", **size)  # partition: (b, windows, n, d)
    qkv = attention.qkv(x)
    q, k, v = rearrange(qkv, "b g n (three head e) -> three b g head n e", three=3, head=attention.heads)
    region = region_numbers(padded, window, shift).to(x.device)
    region = rearrange(region, "(i t) (j h) (k w) -> (i j k) 1 1 (t h w)", **size)
    mask = region == region.mT  # (windows, 1, n, n): the two ends of the clip, side by side now, do not look
    out = attend(q, k, v, mask, attention.relative_position_bias(window))  # (b, windows, head, n, e)
    out = rearrange(out, "b (i j k) head (t h w) e -> b (i t) (j h) (k w) (head e)",  # reverse
                    i=padded.t // window.t, j=padded.h // window.h, **size)
    out = torch.roll(out, list(shift), dims=(1, 2, 3))[:, :grid.t, :grid.h, :grid.w]
    return attention.proj(out.flatten(1, 3))


def region_numbers(padded: Grid, window: Grid, shift: Grid) -> Tensor:
    """`(t, h, w)` after the roll: along an axis 0 up to the last window, 1 in it, 2 for what came in at the end."""
    cuts = []
    for length, inside, moved in zip(padded, window, shift, strict=True):
        place = torch.arange(length)
        cuts.append((place >= length - inside).long() + (place >= length - moved))
    t, h, w = cuts
    return 9 * t[:, None, None] + 3 * h[:, None] + w


class Tiling(NamedTuple):
    """Padding, cyclic shift and partition in one list of token numbers, and the way back.

    Most windows need no mask and few masks differ, so windows with the same mask stand together and share it.
    """

    window: Grid
    padding: bool
    tokens: Tensor  # (windows * n,) which token stands there; padding takes row l, behind the last token
    back: Tensor  # (l,) where each token went
    sizes: tuple[int, ...]  # so many windows ...
    masks: tuple[Tensor | None, ...]  # ... share this mask, (n, n), or have none


@cached_constant
def tiling(pattern: LocalWindow, grid: tuple[int, int, int], mask_padding: bool, in_order: bool,
           device: torch.device) -> Tiling:
    """How the windows tile this grid; made once for each grid, not in every forward pass.

    in_order: the windows in the order of the pattern's groups, in one piece, with a mask `(windows, 1, n, n)`.
    """
    grid = Grid(*grid)
    tokens = pattern.groups(grid)  # (windows, n)
    mask = pattern.group_mask(grid if mask_padding else pattern.padded(grid))
    if mask is None or in_order or mask.numel() < FEW:
        sizes, masks = (len(tokens),), (None if mask is None else mask[:, None],)
    else:
        alike: dict[bytes, list[int]] = {}
        for window, table in enumerate(mask):
            alike.setdefault(table.numpy().tobytes(), []).append(window)
        tokens = tokens[[window for windows in alike.values() for window in windows]]
        sizes = tuple(len(windows) for windows in alike.values())
        masks = tuple(None if mask[windows[0]].all() else mask[windows[0]] for windows in alike.values())
    tokens = tokens.flatten()
    back = torch.empty(grid.l, dtype=torch.long)
    back[tokens[tokens >= 0]] = torch.arange(tokens.numel())[tokens >= 0]
    return Tiling(pattern.clamped(grid)[0], grid != pattern.padded(grid),
                  torch.where(tokens < 0, grid.l, tokens).to(device), back.to(device), sizes,
                  tuple(None if mask is None else mask.to(device) for mask in masks))


@cached_constant
def relative_position_index(full: tuple[int, int, int], window: tuple[int, int, int], reference_quirks: bool,
                            device: torch.device) -> Tensor:
    """`(n * n,)` the table's row for each pair of places in `window`; the table was made for windows of `full`."""
    full, window = Grid(*full), Grid(*window)
    place = place_of(torch.arange(full.l), full) if reference_quirks else place_of(torch.arange(window.l), window)
    index = torch.zeros(1, dtype=torch.long)
    for at, size in zip(place, full, strict=True):
        index = index * (2 * size - 1) + (at[:, None] - at[None] + size - 1)  # distance, from 0 on
    return index[:window.l, :window.l].flatten().to(device)
