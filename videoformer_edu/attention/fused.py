"""PyTorch's fused attention kernel and what it is particular about. The same numbers as `attend` in the open."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def is_faster(q: Tensor, bias: Tensor | None) -> bool:
    """Not where a bias learns on a CPU: that kernel has no gradient for it, and PyTorch falls back to a slower way."""
    return bias is None or not bias.requires_grad or not torch.is_grad_enabled() or q.device.type != "cpu"


def fused_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, bias: Tensor | None) -> Tensor:
    """`(..., head, q, e)`, `(..., head, k, e)` twice -> `(..., head, q, e)`; no `q x k` tensor is kept."""
    if bias is not None:  # the kernels take one table: a mask, or a bias that is -inf where the mask forbids
        bias = bias.to(q.dtype)
        mask = bias if mask is None else torch.where(mask, bias, -math.inf)
    lead = q.shape[:-3]  # the kernels want exactly four axes
    q, k, v = (x.reshape(-1, *x.shape[-3:]) for x in (q, k, v))
    if mask is not None and mask.ndim == 3:
        mask = mask[None]  # with three axes it would not be fused
    elif mask is not None and mask.ndim > 3:
        mask = mask.expand(*lead, *mask.shape[-3:]).reshape(-1, *mask.shape[-3:])
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out.reshape(*lead, *out.shape[-3:])
