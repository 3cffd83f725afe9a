"""Attention that skips the work a sparse pattern leaves out: no `l x l` tensor is ever made.

A mask over all pairs saves nothing: every score is computed and then thrown away. Here the tokens of each group of the
pattern are gathered first (a frame, a residue class of frames, the few frames around a query), so that only the pairs
that may look are ever multiplied.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor

from videoformer_edu.attention.constants import cached_constant
from videoformer_edu.attention.core import MultiHeadAttention, Where, attend, attention_scores, softmax_over_keys
from videoformer_edu.attention.patterns import Pattern, check_grid, place_of
from videoformer_edu.attention.sparse_patterns import SparseSpaceTime
from videoformer_edu.tokens import Grid

BACKENDS = ("gather", "flex")


class Arrangement(NamedTuple):
    """Which tokens are gathered into the groups of a pattern, and where each token's answer is found again."""

    shape: tuple[int, int]  # groups, q
    queries: Tensor  # (groups * q,) token numbers; padding takes token 0, whose answer is then left there
    keys: Tensor  # (groups * k,) token numbers; padding takes token 0, which the mask forbids
    mask: Tensor | None  # (groups, 1, 1 or q, k), for all heads
    back: Tensor  # (l,) the row of (groups * q) that holds the token's answer

    def gather(self, x: Tensor, numbers: Tensor, heads: int) -> Tensor:
        """x `(b, l, d)` -> `(b, groups, head, q or k, e)`."""
        return rearrange(x.index_select(1, numbers), "b (g k) (head e) -> b g head k e", g=self.shape[0], head=heads)

    def restore(self, out: Tensor) -> Tensor:
        """`(b, groups, head, q, x)` -> `(b, l, head, x)`."""
        return rearrange(out, "b g head q x -> b (g q) head x").index_select(1, self.back)


@cached_constant
def arrangement(pattern: Pattern, grid: tuple[int, int, int], device: torch.device,
                part: int | None = None) -> Arrangement:
    """How to gather the groups of `pattern` on this grid; `part` picks one of the parts of a union. Made once."""
    grid = Grid(*grid)
    mask = pattern.group_mask(grid) if part is None else pattern.part_mask(part, grid)
    pattern = pattern if part is None else pattern.parts[part]
    queries, keys = pattern.groups(grid), pattern.keys(grid, pattern.key_grid(grid))
    flat = queries.flatten()
    back = torch.empty(grid.l, dtype=torch.long)
    back[flat[flat >= 0]] = torch.arange(flat.numel())[flat >= 0]
    mask = None if mask is None else mask[:, None].to(device)
    return Arrangement(tuple(queries.shape), flat.clamp(min=0).to(device),
                       keys.flatten().clamp(min=0).to(device), mask, back.to(device))


class SparseAttention(MultiHeadAttention):
    """Self-attention of any pattern of this package, at the cost of its pairs: `(b, l, d)` -> `(b, l, d)`.

    pattern: `LocalTemporal`, `StridedTemporal`, `GlobalSpatial`, `Axial`, `LocalWindow`, `SlidingTile`, `Radial`, ...
    backend: "gather" works everywhere and can be recorded; "flex" gives the predicate to PyTorch's `flex_attention`,
    whose compiled kernel skips the blocks that the pattern leaves empty: the fast path on a GPU. It has no gradients on
    a CPU.
    """

    def __init__(self, *, width: int, heads: int, pattern: Pattern, bias: bool = True, backend: str = "gather"):
        super().__init__(width=width, heads=heads, bias=bias)
        if backend not in BACKENDS:
            raise ValueError(f"backend must be one of {', '.join(BACKENDS)}; got {backend!r}")
        self.pattern, self.backend = pattern, backend

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """x `(b, t*n, d)`, patches only -> the same shape."""
        grid = check_grid(grid)
        if x.shape[1] != grid.l:
            raise ValueError(f"expected {grid.l} patch tokens for the grid {tuple(grid)}, got {x.shape[1]}; "
                             "patterns speak of patches: take CLS off first (x[:, 1:])")
        q, k, v = self.qkv(x).chunk(3, dim=-1)  # (b, l, d) each
        if self.backend == "flex" and self.record is None:
            out = self._flex(q, k, v, grid)
        elif isinstance(self.pattern, SparseSpaceTime):
            out = self._union(q, k, v, grid)
        else:
            out = self._groups(q, k, v, grid)
        return self.proj(rearrange(out, "b l head e -> b l (head e)"))

    def _groups(self, q: Tensor, k: Tensor, v: Tensor, grid: Grid) -> Tensor:
        plan = arrangement(self.pattern, tuple(grid), q.device)
        out = attend(plan.gather(q, plan.queries, self.heads), plan.gather(k, plan.keys, self.heads),
                     plan.gather(v, plan.keys, self.heads), plan.mask, record=self.recorder(Where(self.pattern, grid)))
        return plan.restore(out)

    def _union(self, q: Tensor, k: Tensor, v: Tensor, grid: Grid) -> Tensor:
        """Each part scores its own keys in its own groups; then one softmax over all the keys of a query."""
        plans = [arrangement(self.pattern, tuple(grid), q.device, part) for part in range(len(self.pattern.parts))]
        scores = [plan.restore(attention_scores(plan.gather(q, plan.queries, self.heads),
                                                plan.gather(k, plan.keys, self.heads), plan.mask))
                  for plan in plans]  # (b, l, head, k_i)
        probabilities = softmax_over_keys(*scores)  # (b, l, head, k_1 + k_2 + ...)
        if self.record is not None:  # a group of one query and all its keys
            self.recorder(Where(self.pattern, grid))(probabilities[:, :, :, None])
        parts = probabilities.split([score.shape[-1] for score in scores], dim=-1)
        out = 0
        for plan, part in zip(plans, parts, strict=True):
            looks = rearrange(part.flatten(2).index_select(1, plan.queries),
                              "b (g q) (head k) -> b g head q k", g=plan.shape[0], head=self.heads)
            out = out + plan.restore(looks @ plan.gather(v, plan.keys, self.heads))
        return out

    def _flex(self, q: Tensor, k: Tensor, v: Tensor, grid: Grid) -> Tensor:
        q, k, v = (rearrange(x, "b l (head e) -> b head l e", head=self.heads) for x in (q, k, v))
        blocks = block_mask(self.pattern, tuple(grid), q.device)
        return rearrange(flex_kernel(q.device.type)(q, k, v, block_mask=blocks), "b head l e -> b l head e")


@cached_constant
def block_mask(pattern: Pattern, grid: tuple[int, int, int], device: torch.device):
    """The pattern as `flex_attention` wants it: which blocks of 128 x 128 pairs are empty, full or mixed.

    The predicate is read on the whole `l x l` table once, in compiled blocks on a GPU; the table is kept nowhere.
    """
    from torch.nn.attention.flex_attention import create_block_mask

    grid = Grid(*grid)

    def may_look(b, head, query, key):
        return pattern.looks(place_of(query, grid), place_of(key, grid), grid)

    return create_block_mask(may_look, None, None, grid.l, grid.l, device=device, _compile=device.type == "cuda")


@cache
def flex_kernel(device: str):
    """Compiled on a GPU; elsewhere the plain reference, which makes all the scores: for comparison, not for use."""
    from torch.nn.attention.flex_attention import flex_attention

    if device == "cuda":
        return torch.compile(flex_attention, dynamic=False)

    def reference(*args, **kwargs):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="flex_attention called without torch.compile")
            return flex_attention(*args, **kwargs)

    return reference
