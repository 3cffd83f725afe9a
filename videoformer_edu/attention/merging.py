"""Token merging: similar tokens become one, so that the next layers have fewer (ToMe, Bolya et al., arXiv:2210.09461).

Nothing is trained. Which tokens are merged is one row of whole numbers a clip: `groups[i]` is the number of the token
that token `i` becomes. Tokens keep their order.

    out, keys = proportional_attention(block.attention, x, size)     # a token that stands for s tokens counts s times
    groups = match(keys.mean(1), r=8, cls=1)                         # (b, l), numbers 0 ... l - r - 1
    x, size = merge(x, groups, size)                                 # (b, l - r, d), (b, l - r)
    unmerge(x, groups)                                               # (b, l, d): each place gets its group's token
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from videoformer_edu.attention.core import MultiHeadAttention, attend


@torch.no_grad()
def match(keys: Tensor, r: int, *, cls: int = 0) -> Tensor:
    """Which tokens become one: keys `(b, l, e)` -> groups `(b, l)`; the `r` most similar pairs merge (section 3.2).

    Tokens are dealt out in turn to two sets, so that a pair is found by one comparison of halves, not by clustering.
    Each token of the first set draws one edge to its most similar token of the second (cosine of the keys); the `r`
    best edges are kept. cls: 1 where the first token is CLS, which is never merged. At most half of the tokens can go:
    a larger `r` is cut to that. Raises ValueError for r < 0.
    """
    b, l, _ = keys.shape
    if r < 0:
        raise ValueError(f"r tokens are merged, at least 0; got r={r}")
    keys = F.normalize(keys, dim=-1)
    scores = keys[:, ::2] @ keys[:, 1::2].transpose(1, 2)  # (b, first set, second set)
    scores[:, :cls] = -math.inf
    best, partner = scores.max(dim=-1) if l > 1 else (scores.new_zeros(b, 1), torch.zeros(b, 1, dtype=torch.long))
    merged = best.topk(min(r, (l - cls) // 2), dim=1).indices  # (b, r): these tokens of the first set go ...
    into = torch.arange(l, device=keys.device).repeat(b, 1)
    into.scatter_(1, 2 * merged, 2 * partner.gather(1, merged) + 1)  # ... into these of the second
    stays = into == torch.arange(l, device=keys.device)
    return (stays.long().cumsum(1) - 1).gather(1, into)  # numbered anew, in their old order


def merge(x: Tensor, groups: Tensor, size: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """x `(b, l, d)` -> `(b, l - r, d)`, each the mean of its group weighed by size, and the new sizes `(b, l - r)`.

    size: how many tokens of the clip each of these stands for; None: one each.
    """
    size = torch.ones_like(x[..., 0]) if size is None else size
    number = int(groups.max()) + 1
    total = size.new_zeros(len(x), number).scatter_add(1, groups, size)
    sums = x.new_zeros(len(x), number, x.shape[-1])
    sums = sums.scatter_add(1, groups[..., None].expand_as(x), x * size[..., None])
    return sums / total[..., None], total


def unmerge(x: Tensor, groups: Tensor) -> Tensor:
    """`(b, l - r, d)` -> `(b, l, d)`: every token of a group gets what the group has."""
    return x.gather(1, groups[..., None].expand(-1, -1, x.shape[-1]))


def proportional_attention(module: MultiHeadAttention, x: Tensor, size: Tensor | None) -> tuple[Tensor, Tensor]:
    """softmax(q k^T / sqrt(e) + log size) v: x `(..., l, d)` -> its update, the same shape, and its keys.

    keys `(..., head, l, e)`; size `(..., l)`, None: all 1. A key that stands for s tokens weighs as much as s equal
    keys would (section 3.3).
    """
    q, k, v = rearrange(module.qkv(x), "... l (three head e) -> three ... head l e", three=3, head=module.heads)
    bias = None if size is None else size.log()[..., None, None, :]  # (..., 1, 1, l)
    out = attend(q, k, v, bias=bias)
    return module.proj(rearrange(out, "... head l e -> ... l (head e)")), k


__all__ = ["match", "merge", "proportional_attention", "unmerge"]
