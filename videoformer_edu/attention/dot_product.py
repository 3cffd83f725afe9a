"""Factorised dot-product attention: some heads look along time, the others across space (ViViT, section 3.3, model 4).

Time and space are split *between the heads of one attention*, not between two attentions: the same parameters as joint
attention, for about the cost of one factorised step.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor

from videoformer_edu.attention.core import MultiHeadAttention, Where, attend
from videoformer_edu.attention.patterns import Pattern, Spatial, Temporal, factorised_dot_product
from videoformer_edu.tokens import Grid


class FactorisedDotProductAttention(MultiHeadAttention):
    """The first half of the heads attends along time, the second half across space; one output projection mixes them.

    `patterns` holds one pattern a head. There is no CLS: it has no tube and no frame to look at. Recorded as two maps,
    `<name>.time` and `<name>.space`, of half of the heads each.
    """

    def __init__(self, *, width: int, heads: int, bias: bool = True):
        super().__init__(width=width, heads=heads, bias=bias)
        self.patterns: tuple[Pattern, ...] = factorised_dot_product(heads)

    def allowed(self, grid: Grid) -> Tensor:
        """`(head, l, l)` bool: who may look at whom, head by head."""
        return torch.stack([pattern.allowed(grid) for pattern in self.patterns])

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """x `(b, t*n, d)`, patches only -> the same shape."""
        if x.shape[1] != grid.l:
            raise ValueError(f"expected {grid.l} patch tokens for the grid {tuple(grid)}, got {x.shape[1]}; "
                             "factorised dot-product attention has no CLS: read the mean of the tokens instead")
        time, space = rearrange(self.qkv(x), "b (t n) (three half head e) -> half three b t n head e",
                                t=grid.t, three=3, half=2, head=self.heads // 2)
        time = attend(*rearrange(time, "three b t n head e -> three b n head t e"), record=self._named("time", grid))
        space = attend(*rearrange(space, "three b t n head e -> three b t head n e"), record=self._named("space", grid))
        out = torch.stack([rearrange(time, "b n head t e -> b t n head e"),
                           rearrange(space, "b t head n e -> b t n head e")], dim=3)  # (b, t, n, half, head, e)
        return self.proj(rearrange(out, "b t n half head e -> b (t n) (half head e)"))

    def _named(self, part: str, grid: Grid):
        if self.record is None:
            return None
        where = Where(Temporal() if part == "time" else Spatial(), grid, part=part)
        return lambda probabilities: self.record(probabilities, where)
