"""The one softmax attention of the package. Everything else only arranges tokens around it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.fused import fused_attention, is_faster
from videoformer_edu.attention.patterns import Pattern
from videoformer_edu.tokens import Grid


class Where(NamedTuple):
    """Where the tokens of an attention call sit in the clip: read only when a map is recorded."""

    pattern: Pattern
    grid: Grid  # of the clip; where queries or keys lie on another one, the pattern says so
    part: str = ""  # a module that attends more than once names each time: its maps are called module.part


def attention_scores(q: Tensor, k: Tensor, mask: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """q k^T / sqrt(e) + bias: `(..., q, e)` and `(..., k, e)` -> `(..., q, k)`; -inf where `mask` forbids to look."""
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)  # there are fewer queries than scores to scale
    if bias is not None:
        scores = scores + bias
    return scores if mask is None else scores.masked_fill(~mask, -math.inf)


def softmax_over_keys(*scores: Tensor) -> Tensor:
    """Scores `(..., q, k)` -> probabilities `(..., q, k)`, whose rows sum to one.

    Several sets of keys, `(..., q, k_i)` each, share one softmax, side by side: `(..., q, k_1 + k_2 + ...)`. They must
    not overlap: a key in two of them would count twice.
    """
    return (scores[0] if len(scores) == 1 else torch.cat(scores, dim=-1)).softmax(dim=-1)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, bias: Tensor | None = None,
           record: Callable[[Tensor], None] | None = None) -> Tensor:
    """softmax(q k^T / sqrt(e)) v: `q (..., head, q, e)`, `k, v (..., head, k, e)` -> `(..., head, q, e)`.

    Attention of every group and head by itself (Vaswani et al. 2017, equation 1). `mask` is bool and broadcasts to
    `(..., head, q, k)`; True = may look (torch's nn.MultiheadAttention means the opposite). `bias` broadcasts likewise
    and is added to the scores. `record` is handed the probabilities, *the same tensor* that weighs the values; without
    it PyTorch's fused kernel computes the same numbers and keeps no `q x k` tensor.
    """
    if record is None and is_faster(q, bias):
        return fused_attention(q, k, v, mask, bias)
    scores = attention_scores(q, k, mask, bias)  # (..., head, q, k)
    probabilities = softmax_over_keys(scores)
    if record is not None:
        record(probabilities)
    return probabilities @ v


class Attention(nn.Module):
    """What every attention module is, however it gets queries, keys and values: `record_attention` looks for it."""

    def __init__(self, *, width: int, heads: int):
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"{heads} heads do not divide the width {width}; each head needs width/heads channels")
        self.heads = heads
        self.record: Callable[[Tensor, Where | None], None] | None = None  # set by record_attention alone

    def recorder(self, where: Where | None) -> Callable[[Tensor], None] | None:
        """What `attend` wants: None while nobody records, else a function that takes the probabilities."""
        return None if self.record is None else lambda probabilities: self.record(probabilities, where)


class MultiHeadAttention(Attention):
    """Multi-head self-attention over the last sequence axis: `(..., l, d)` -> `(..., l, d)`.

    One matrix makes queries, keys and values, in that order; each head works on `e = d / head` of the width.
    """

    def __init__(self, *, width: int, heads: int, bias: bool = True):
        super().__init__(width=width, heads=heads)
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, *, where: Where | None = None, mask: Tensor | None = None) -> Tensor:
        """x `(..., l, d)`; `mask` bool, broadcasting to `(..., head, l, l)`, True = may look."""
        q, k, v = rearrange(self.qkv(x), "... l (three head e) -> three ... head l e", three=3, head=self.heads)
        out = attend(q, k, v, mask, record=self.recorder(where))  # (..., head, l, e)
        return self.proj(rearrange(out, "... head l e -> ... l (head e)"))


def dense_attention(module: MultiHeadAttention, x: Tensor, pattern: Pattern, grid: Grid) -> Tensor:
    """The oracle of every efficient module: the same weights, all `l x l` scores, masked by the pattern."""
    return MultiHeadAttention.forward(module, x, mask=pattern.allowed(grid).to(x.device))


__all__ = ["Attention", "MultiHeadAttention", "Where", "attend", "attention_scores", "dense_attention",
           "softmax_over_keys"]
