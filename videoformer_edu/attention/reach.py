"""Who can have heard whom: what patterns allow when attentions follow one another, exact, by boolean products.

A token keeps what it has (the residual) and takes from the tokens it looks at what these have heard before. So with
`A` the truth table of one attention and `H` what had been heard, row = who heard, column = of whom, afterwards it is
`(A or I) H`, with *and* for times and *or* for plus. This is what the wiring allows. What a trained model uses of it is
another question; its gradient answers that, and is zero wherever this says no.

    reach([Temporal(), Spatial()], grid)                    after one divided block
    hops([[Temporal(), Spatial()]], grid)                   after how many divided blocks, for every two tokens
    hops([LocalWindow(w), LocalWindow(w, shift)], grid)     plain and shifted windows in turn
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce

import torch
from torch import Tensor

from videoformer_edu.attention.patterns import Pattern, check_grid
from videoformer_edu.tokens import Grid

Step = Pattern | tuple[Pattern, ...]  # one attention; a tuple gives one pattern a head, as factorised_dot_product does
Block = Step | Sequence[Step]  # one attention, or a list of them, one after the other


def attentions(block: Block) -> list[tuple[Pattern, ...]]:
    """The attentions of a block in their order, each as the patterns of its heads."""
    steps = [block] if isinstance(block, Pattern | tuple) else list(block)
    steps = [step if isinstance(step, tuple) else (step,) for step in steps]
    if not steps or not all(step and all(isinstance(head, Pattern) for head in step) for step in steps):
        raise ValueError(f"a block is a pattern, or a list of them (one attention after the other), where a tuple "
                         f"stands for the heads of one attention; got {block!r}")
    return steps


def reach(block: Block, grid: Grid, heard: Tensor | None = None) -> Tensor:
    """`(l, l)` bool after this block: may the row's token hold anything that came from the column's?

    heard: what had been heard before the block, `(l, l)` bool; None: every token knows itself.
    """
    grid = check_grid(grid)
    heard = torch.eye(grid.l, dtype=torch.bool) if heard is None else heard
    for heads in attentions(block):
        looks = reduce(torch.logical_or, (pattern.allowed(grid) for pattern in heads))
        looks = looks | torch.eye(grid.l, dtype=torch.bool)  # the residual: a token keeps what it has
        heard = looks.float() @ heard.float() > 0  # (l, l) times (l, l): sums of up to l ones, exact in float32
    return heard


def hops(blocks: Sequence[Block], grid: Grid) -> Tensor:
    """`(l, l)` after how many blocks the row's token can have heard the column's: 0 itself, -1 never.

    The blocks of the sequence are used in turn, again and again, for as long as anything new is heard.
    """
    grid = check_grid(grid)
    heard = torch.eye(grid.l, dtype=torch.bool)
    after = heard.long() - 1  # 0 on the diagonal, -1 elsewhere
    number = quiet = 0
    while not heard.all() and quiet < len(blocks):  # a whole turn without anything new: nothing new will come
        more = reach(blocks[number % len(blocks)], grid, heard)
        number += 1
        quiet = 0 if (more & ~heard).any() else quiet + 1
        after[more & ~heard] = number
        heard = more
    return after


def blocks_until_all(blocks: Sequence[Block], grid: Grid) -> int | None:
    """After how many blocks every token can have heard every other; None: never."""
    after = hops(blocks, grid)
    return None if (after < 0).any() else int(after.max())


def pairs_of(block: Block, grid: Grid) -> Fraction:
    """Query-key pairs of a block, a head: the sum over its attentions of the mean over the heads of each."""
    return sum((Fraction(sum(pattern.pairs(grid) for pattern in heads), len(heads)) for heads in attentions(block)),
               Fraction(0))


__all__ = ["attentions", "blocks_until_all", "hops", "pairs_of", "reach"]
