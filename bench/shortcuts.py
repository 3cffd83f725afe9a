"""Exact shortcuts for a model that is only asked and never trained: the same logits from fewer multiply-adds.

Two of them, neither of which a training step can use:
- TimeSformer's temporal projection follows the output projection of temporal attention with nothing in between. Two
  linear maps in a row are one: W = W_projection W_proj (5.7 per cent of TimeSformer-B).
- The head reads CLS alone, so in the last block every other row is computed for nothing, but as keys and values.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from videoformer_edu.attention.core import MultiHeadAttention, attend
from videoformer_edu.models.timesformer import DividedSpaceTimeBlock, TimeSformer
from videoformer_edu.models.vit import TransformerBlock, ViT
from videoformer_edu.tokens import Grid


@torch.no_grad()
def merge_linear(first: nn.Linear, second: nn.Linear) -> nn.Linear:
    """The one linear map that is `second(first(x))`."""
    merged = nn.Linear(first.in_features, second.out_features).to(first.weight)
    merged.weight.copy_(second.weight @ first.weight)
    merged.bias.copy_(second.weight @ first.bias + second.bias)
    return merged


def attend_from_cls(attention: MultiHeadAttention, x: Tensor) -> Tensor:
    """Row 0 of `attention(x)`: x `(..., 1 + l, d)` -> `(..., 1, d)`. One query; keys and values of all rows."""
    d, heads = x.shape[-1], attention.heads
    weight, bias = attention.qkv.weight, attention.qkv.bias
    q = linear(x[..., :1, :], weight[:d], bias[:d]).unflatten(-1, (heads, -1)).transpose(-3, -2)  # (..., head, 1, e)
    kv = linear(x, weight[d:], bias[d:]).unflatten(-1, (2, heads, -1))  # (..., 1 + l, 2, head, e)
    k, v = (part.transpose(-3, -2) for part in kv.unbind(-3))
    return attention.proj(attend(q, k, v).transpose(-3, -2).flatten(-2))


class LastBlock(nn.Module):
    """The last block of a model whose head reads CLS: only that row is computed, `(b, 1 + l, d)` -> `(b, 1, d)`."""

    def __init__(self, block: TransformerBlock | DividedSpaceTimeBlock):
        super().__init__()
        self.block = block

    def forward(self, x: Tensor, grid: Grid, *pattern) -> Tensor:
        block, cls = self.block, x[:, :1]
        if isinstance(block, DividedSpaceTimeBlock):
            tubes = block.temporal_attention(block.temporal_norm(x[:, 1:]), grid)
            patches = x[:, 1:] + block.temporal_projection(tubes)
            normed = block.spatial_norm(torch.cat([cls, patches], dim=1))
            frames = normed[:, 1:].unflatten(1, (grid.t, grid.n))
            frames = torch.cat([normed[:, None, :1].expand(-1, grid.t, -1, -1), frames], dim=2)  # (b, t, 1 + n, d)
            cls = cls + attend_from_cls(block.spatial_attention.attention, frames).mean(dim=1)
        else:
            cls = cls + attend_from_cls(block.attention, block.attention_norm(x))
        return cls + block.mlp(block.mlp_norm(cls))


def for_inference(model: ViT | TimeSformer) -> ViT | TimeSformer:
    """A copy of `model` in eval mode, with the same logits up to rounding, that takes the shortcuts of this file.

    For ViT and TimeSformer with divided or joint attention. Its last block is not seen by `record_attention`, and its
    weights are no longer the published ones: keep the model itself for training, saving and looking inside.
    Raises ValueError for models whose head reads more than CLS.
    """
    if not isinstance(model, ViT | TimeSformer) or getattr(model, "attention", None) == "space_only":
        raise ValueError(f"for_inference knows ViT and TimeSformer with divided or joint attention, got "
                         f"{type(model).__name__}{' with space_only' if isinstance(model, TimeSformer) else ''}")
    model = copy.deepcopy(model).eval()
    for block in model.blocks:
        if isinstance(block, DividedSpaceTimeBlock):
            attention = block.temporal_attention.attention
            attention.proj = merge_linear(attention.proj, block.temporal_projection)
            block.temporal_projection = nn.Identity()
    model.blocks[-1] = LastBlock(model.blocks[-1])
    return model.requires_grad_(False)
