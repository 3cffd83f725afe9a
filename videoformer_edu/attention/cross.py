"""Cross-attention: one set of tokens looks at another, of another frame rate, at the same moments.

Two pathways that see one clip at different rates number their frames differently. What makes them meet is real time:
frame `i` of `t` stands for the part `[i/t, (i+1)/t)` of the clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import torch
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.constants import cached_constant
from videoformer_edu.attention.core import Attention, Where, attend
from videoformer_edu.attention.patterns import Pattern, Place, check_grid, token_numbers
from videoformer_edu.attention.sparse import Arrangement, arrangement
from videoformer_edu.tokens import Grid


@dataclass(frozen=True)
class AlignedTime(Pattern):
    """A query looks at the tokens of another grid whose frames share a moment with its own frame.

    others: the grid of the keys. `same_place=True` looks at its own row and column alone, else across the frames.
    The rule is symmetric: slow frames see all the fast frames of their span, a fast frame the slow one it falls into
    (SlowFast's slow frames, `linspace(0, T-1, T/alpha)`, all lie within their span).
    """

    others: Grid
    same_place: bool = False

    def __post_init__(self):
        check_grid(self.others)

    def key_grid(self, grid: Grid) -> Grid:
        if self.same_place and tuple(grid)[1:] != tuple(self.others)[1:]:
            raise ValueError(f"same_place needs frames of one size, got {grid[1]} x {grid[2]} queries and "
                             f"{self.others[1]} x {self.others[2]} keys; resize one or use same_place=False")
        return Grid(*self.others)

    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        t, other = grid[0], self.others[0]
        meet = (query.t * other < (key.t + 1) * t) & (key.t * t < (query.t + 1) * other)  # the spans overlap
        return meet & (query.h == key.h) & (query.w == key.w) if self.same_place else meet

    def pairs(self, grid: Grid) -> int:
        grid, other = check_grid(grid), self.key_grid(grid)
        meetings = grid.t + other.t - gcd(grid.t, other.t)  # each span begins one, the common beginnings once
        return meetings * (grid.n if self.same_place else grid.n * other.n)

    def groups(self, grid: Grid) -> Tensor:
        return token_numbers(grid).reshape(-1, 1) if self.same_place else token_numbers(grid)

    def keys(self, grid: Grid, key_grid: Grid) -> Tensor:
        t, other = grid[0], key_grid[0]
        first = torch.arange(t) * other // t  # (t,) the first frame that each frame meets
        last = -(-torch.arange(1, t + 1) * other // t) - 1
        frames = first[:, None] + torch.arange(int((last - first).max()) + 1)  # (t, frames)
        numbers = token_numbers(key_grid)[frames.clamp(max=other - 1)]  # (t, frames, n')
        numbers = torch.where((frames <= last[:, None])[:, :, None], numbers, -1)
        return rearrange(numbers, "t f n -> (t n) f" if self.same_place else "t f n -> t (f n)")


@cached_constant
def crossing(grid: Grid, others: Grid, same_place: bool, device: torch.device) -> Arrangement:
    """How to gather the tokens that meet; asked for in plain numbers, which a compiler takes for constants."""
    return arrangement(AlignedTime(Grid(*others), same_place), grid, device)


class CrossAttention(Attention):
    """Tokens `x` look at tokens `context`: `(b, l, d)` and `(b, l', d')` -> `(b, l, d)`.

    Queries come from `x`, keys and values from `context`, which may be of another width. Each frame looks at the
    context's frames of the same moment (`AlignedTime`); `l x l'` scores are made only where frames meet.
    """

    def __init__(self, *, width: int, context_width: int, heads: int, same_place: bool = False, bias: bool = True):
        super().__init__(width=width, heads=heads)
        self.same_place = same_place
        self.q = nn.Linear(width, width, bias=bias)
        self.kv = nn.Linear(context_width, 2 * width, bias=bias)
        self.proj = nn.Linear(width, width)

    def pattern(self, context_grid: Grid) -> AlignedTime:
        """Who may look at whom, when the context lies on this grid."""
        return AlignedTime(Grid(*context_grid), self.same_place)

    def forward(self, x: Tensor, grid: Grid, context: Tensor, context_grid: Grid) -> Tensor:
        """Patches only, each set on its own grid."""
        grid, context_grid = check_grid(grid), check_grid(context_grid)
        for name, tokens, at in (("x", x, grid), ("context", context, context_grid)):
            if tokens.shape[1] != at.l:
                raise ValueError(f"{name} has {tokens.shape[1]} tokens, but its grid {tuple(at)} has {at.l}; "
                                 "pass patches only and the grid that they lie on")
        plan = crossing(tuple(grid), tuple(context_grid), self.same_place, x.device)
        k, v = self.kv(context).chunk(2, dim=-1)
        out = attend(plan.gather(self.q(x), plan.queries, self.heads), plan.gather(k, plan.keys, self.heads),
                     plan.gather(v, plan.keys, self.heads), plan.mask,
                     record=self.recorder(Where(self.pattern(context_grid), grid)))
        return self.proj(rearrange(plan.restore(out), "b l head e -> b l (head e)"))
