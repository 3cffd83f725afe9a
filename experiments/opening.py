"""Joint attention that learns to look along time first, and at everything later.

Joint attention can do all that divided attention does: looking at one's own place in the other frames is one of the
ways to look at the whole clip. It does not *find* that way from scratch on `motion`: the axis of the motion can be read
without it, and on that plateau nothing tells the scores which of 127 tokens to prefer. So it is shown the way. In the
first block a patch pays for each look outside its own tube: a price is taken off the score. At the start it is so high
that the block is temporal attention; then it falls slowly, and the scores have time to learn what the price has done
for them. At zero nothing is left of it: plain joint attention with the weights of plain joint attention.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.core import MultiHeadAttention, Where, attend
from videoformer_edu.attention.patterns import Temporal
from videoformer_edu.tokens import Grid
from videoformer_edu.training.step import Run

PRICE = 5.0  # e**5 = 148: the eight tokens of a tube outweigh the 121 outside, ten to one
BEGIN, END = 0.3, 0.65  # the shares of the steps at which the price begins to fall and has come to zero


class PricedAttention(MultiHeadAttention):
    """Joint attention whose patches pay `price` for each look outside their own tube, at CLS too; CLS looks freely.

    It takes over the weights of the attention that it stands in for, under their names.
    """

    def __init__(self, plain: MultiHeadAttention, price: float = PRICE):
        super().__init__(width=plain.proj.out_features, heads=plain.heads)
        self.qkv, self.proj, self.price = plain.qkv, plain.proj, price

    def forward(self, x: Tensor, *, where: Where | None = None, mask: Tensor | None = None) -> Tensor:
        """x `(b, 1 + l, d)` -> the same shape."""
        q, k, v = rearrange(self.qkv(x), "... l (three head e) -> three ... head l e", three=3, head=self.heads)
        price = -self.price * outside(where.grid).to(x) if self.price else None
        out = attend(q, k, v, mask, self.recorder(where), price)  # (b, head, 1 + l, e)
        return self.proj(rearrange(out, "... head l e -> ... l (head e)"))


@lru_cache(maxsize=4)
def outside(grid: Grid) -> Tensor:
    """`(1 + l, 1 + l)`: 1 where a patch (row) looks outside its own tube, 0 elsewhere; row 0 is CLS."""
    costs = torch.zeros(1 + grid.l, 1 + grid.l)
    costs[1:, 0] = 1
    costs[1:, 1:] = ~Temporal().allowed(grid)
    return costs


def price_at(done: float) -> float:
    """What a look outside costs after the share `done` of all steps: `PRICE`, then falling to zero as a parabola, ever
    more slowly: the last bit is the hard one."""
    return PRICE * min(1.0, max(0.0, (END - done) / (END - BEGIN))) ** 2


def time_first(model: nn.Module) -> Callable[[Run], None]:
    """Put a price on the first block of a joint model, in place; -> what to call after each step of its training.

    When the price has come to zero, the plain attention stands in its place again.
    """
    block = model.blocks[0]
    if not isinstance(getattr(block, "attention", None), MultiHeadAttention):
        raise ValueError(f"{type(block).__name__} has no attention over all tokens; a price on looks outside the own "
                         "place needs joint attention")
    plain, block.attention = block.attention, PricedAttention(block.attention)

    def after_step(run: Run) -> None:
        price = price_at(run.done / run.recipe.steps)
        if price:
            block.attention.price = price
        else:
            block.attention = plain

    return after_step
