"""The one softmax attention of the package. Everything else only arranges tokens around it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.patterns import Pattern
from videoformer_edu.tokens import Grid


class Where(NamedTuple):
    """Where the tokens of an attention call sit in the clip: read only when a map is recorded."""

    pattern: Pattern
    grid: Grid  # of the queries
    cls: bool = False  # does CLS stand before every group?
    key_grid: Grid | None = None  # where the keys' grid is another one (pooled or crossed); None: the same
    part: str = ""  # a module that attends more than once names each time: its maps are called module.part


def attention_probabilities(q: Tensor, k: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(e)): `(..., q, e)` and `(..., k, e)` -> `(..., q, k)`. `mask`: bool, True = may look."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(dim=-1)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None,
           record: Callable[[Tensor], None] | None = None) -> Tensor:
    """Attention of every group: `q (..., q, e)`, `k, v (..., k, e)` -> `(..., q, e)` (Vaswani et al. 2017, eq. 1).

    `mask` is bool and broadcasts to `(..., q, k)`; True = may look (torch's nn.MultiheadAttention means the opposite).
    Without `record` PyTorch's fused kernel runs and no `q x k` tensor is kept; with it the probabilities are computed
    in the open, handed to `record`, and *the same tensor* weighs the values.
    """
    if record is not None:
        probabilities = attention_probabilities(q, k, mask)
        record(probabilities)
        return probabilities @ v
    lead = q.shape[:-3]  # the fused kernels want exactly four axes
    q, k, v = (x.reshape(-1, *x.shape[-3:]) for x in (q, k, v))
    if mask is not None and mask.ndim > 3:
        mask = mask.expand(*lead, *mask.shape[-3:]).reshape(-1, *mask.shape[-3:])
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out.reshape(*lead, *out.shape[-3:])


class MultiHeadAttention(nn.Module):
    """Multi-head self-attention over the last sequence axis: `(..., l, d)` -> `(..., l, d)`.

    One matrix makes queries, keys and values, in that order; each head works on `e = d / head` of the width.
    """

    def __init__(self, *, width: int, heads: int, bias: bool = True):
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide the width {width}; each head needs width/heads channels")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.proj = nn.Linear(width, width)
        self.record: Callable[[Tensor, Where | None], None] | None = None  # set by record_attention alone

    def forward(self, x: Tensor, *, where: Where | None = None, mask: Tensor | None = None) -> Tensor:
        """x `(..., l, d)`; `mask` bool, broadcasting to `(..., head, l, l)`, True = may look."""
        q, k, v = rearrange(self.qkv(x), "... l (three head e) -> three ... head l e", three=3, head=self.heads)
        record = None if self.record is None else lambda probabilities: self.record(probabilities, where)
        out = attend(q, k, v, mask, record)  # (..., head, l, e)
        return self.proj(rearrange(out, "... head l e -> ... l (head e)"))


def dense_attention(module: MultiHeadAttention, x: Tensor, pattern: Pattern, grid: Grid) -> Tensor:
    """The oracle of every efficient module: the same weights, all `l x l` scores, masked by the pattern."""
    return module(x, mask=pattern.allowed(grid).to(x.device))


__all__ = ["MultiHeadAttention", "Where", "attend", "attention_probabilities", "dense_attention"]
