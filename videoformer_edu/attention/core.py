"""The one softmax attention of the package. Everything else only arranges tokens around it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
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


def attention_scores(q: Tensor, k: Tensor, mask: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """q k^T / sqrt(e) + bias: `(..., q, e)` and `(..., k, e)` -> `(..., q, k)`; -inf where `mask` forbids to look."""
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)  # there are fewer queries than scores to scale
    if bias is not None:
        scores = scores + bias
    return scores if mask is None else scores.masked_fill(~mask, -math.inf)


def attention_probabilities(q: Tensor, k: Tensor, mask: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """softmax of the scores: `(..., q, e)` and `(..., k, e)` -> `(..., q, k)`. `mask`: bool, True = may look."""
    return union_probabilities([attention_scores(q, k, mask, bias)])[0]


def union_probabilities(scores: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """One softmax over several sets of keys: scores `(..., k_i)` each -> probabilities, the same shapes.

    Together they sum to one. The sets must not overlap: a key in two of them would count twice.
    """
    together = scores[0] if len(scores) == 1 else torch.cat(list(scores), dim=-1)
    return together.softmax(dim=-1).split([s.shape[-1] for s in scores], dim=-1)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None,
           record: Callable[[Tensor], None] | None = None, bias: Tensor | None = None) -> Tensor:
    """Attention of every group: `q (..., q, e)`, `k, v (..., k, e)` -> `(..., q, e)` (Vaswani et al. 2017, eq. 1).

    `mask` is bool and broadcasts to `(..., q, k)`; True = may look (torch's nn.MultiheadAttention means the opposite).
    `bias` broadcasts likewise and is added to the scores.
    Without `record` PyTorch's fused kernel runs and no `q x k` tensor is kept; with it the probabilities are computed
    in the open, handed to `record`, and *the same tensor* weighs the values.
    """
    # The fused CPU kernel has no gradient for a bias: what PyTorch falls back to then is slower than the open way.
    learns_bias = bias is not None and bias.requires_grad and torch.is_grad_enabled() and q.device.type == "cpu"
    if record is not None or learns_bias:
        probabilities = attention_probabilities(q, k, mask, bias)
        if record is not None:
            record(probabilities)
        return probabilities @ v
    if bias is not None:  # the fused kernels take one of the two
        bias = bias.to(q.dtype)
        mask = bias if mask is None else torch.where(mask, bias, -math.inf)
    lead = q.shape[:-3]  # the fused kernels want exactly four axes
    q, k, v = (x.reshape(-1, *x.shape[-3:]) for x in (q, k, v))
    if mask is not None and mask.ndim == 3:
        mask = mask[None]  # with three axes it would not be fused
    elif mask is not None and mask.ndim > 3:
        mask = mask.expand(*lead, *mask.shape[-3:]).reshape(-1, *mask.shape[-3:])
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out.reshape(*lead, *out.shape[-3:])


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
        out = attend(q, k, v, mask, self.recorder(where))  # (..., head, l, e)
        return self.proj(rearrange(out, "... head l e -> ... l (head e)"))


def dense_attention(module: MultiHeadAttention, x: Tensor, pattern: Pattern, grid: Grid) -> Tensor:
    """The oracle of every efficient module: the same weights, all `l x l` scores, masked by the pattern."""
    return MultiHeadAttention.forward(module, x, mask=pattern.allowed(grid).to(x.device))


__all__ = ["Attention", "MultiHeadAttention", "Where", "attend", "attention_probabilities", "attention_scores",
           "dense_attention", "union_probabilities"]
