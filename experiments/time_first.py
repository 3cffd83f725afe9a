"""Joint attention that learns to look along time first, and at everything later.

Joint attention can do all that divided attention does: a patch's own place in the other frames is part of the clip.
On `motion` it does not *find* that from scratch: the axis of the motion can be read without it, and on that plateau
nothing tells the scores which of 127 tokens to prefer. So in the first block a penalty is subtracted from the score of
each look outside a patch's own tube. At the start it is so high that the block is temporal attention; then it is
annealed to zero over many steps. What remains is plain joint attention with the weights of plain joint attention.
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

PENALTY = 5.0  # e**5 = 148: the eight tokens of a tube outweigh the 121 outside, ten to one
BEGIN, END = 0.3, 0.65  # the shares of the steps between which the penalty is annealed


class PenalisedAttention(MultiHeadAttention):
    """Joint attention with `penalty` subtracted from a patch's scores outside its own tube, CLS included.

    The scores of CLS itself are as they are. It shares the weights of the attention that it replaces, by their names.
    """

    def __init__(self, plain: MultiHeadAttention, penalty: float = PENALTY):
        super().__init__(width=plain.proj.out_features, heads=plain.heads)
        self.qkv, self.proj, self.penalty = plain.qkv, plain.proj, penalty

    def forward(self, x: Tensor, *, where: Where | None = None, mask: Tensor | None = None) -> Tensor:
        """x `(b, 1 + l, d)` -> the same shape."""
        q, k, v = rearrange(self.qkv(x), "... l (three head e) -> three ... head l e", three=3, head=self.heads)
        bias = -self.penalty * outside(where.grid).to(x) if self.penalty else None
        out = attend(q, k, v, mask, bias, self.recorder(where))  # (b, head, 1 + l, e)
        return self.proj(rearrange(out, "... head l e -> ... l (head e)"))


@lru_cache(maxsize=4)
def outside(grid: Grid) -> Tensor:
    """`(1 + l, 1 + l)`: 1 where a patch (row) looks outside its own tube, 0 elsewhere; row 0 is CLS."""
    table = torch.zeros(1 + grid.l, 1 + grid.l)
    table[1:, 0] = 1
    table[1:, 1:] = ~Temporal().allowed(grid)
    return table


def penalty_at(done: float) -> float:
    """The penalty after the share `done` of all steps: `PENALTY`, then annealed to zero as a parabola.

    It falls ever more slowly, because its last part is the hardest to do without.
    """
    return PENALTY * min(1.0, max(0.0, (END - done) / (END - BEGIN))) ** 2


def time_first(model: nn.Module) -> Callable[[Run], None]:
    """Penalise looks outside the tube in the first block of a joint model, in place; -> call it after each step.

    Once the penalty is zero, the plain attention is back in its place.
    """
    block = model.blocks[0]
    if not isinstance(getattr(block, "attention", None), MultiHeadAttention):
        raise ValueError(f"{type(block).__name__} has no attention over all tokens; a penalty on looks outside the own "
                         "place needs joint attention")
    plain, block.attention = block.attention, PenalisedAttention(block.attention)

    def after_step(run: Run) -> None:
        penalty = penalty_at(run.done / run.recipe.steps)
        if penalty:
            block.attention.penalty = penalty
        else:
            block.attention = plain

    return after_step
