"""Attention that learns of places by rotation: queries and keys are turned by where they sit, and no table is added."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.core import MultiHeadAttention, Where, attend
from videoformer_edu.positions import rotary_angles, rotate


class RotaryAttention(MultiHeadAttention):
    """`MultiHeadAttention` whose scores depend on how far apart two tokens are, in time, rows and columns.

    No new parameters. Tokens in front of the clip's (CLS) have no place and are not turned.
    """

    def forward(self, x: Tensor, *, where: Where, mask: Tensor | None = None) -> Tensor:
        """x `(..., [1 +] l, d)`; `where` says which tokens these are -> the same shape."""
        q, k, v = rearrange(self.qkv(x), "... l (three head e) -> three ... head l e", three=3, head=self.heads)
        groups = where.pattern.groups(where.grid)  # (groups, l): the number of each token
        angles = rotary_angles(where.grid, q.shape[-1])[groups][:, None]  # (groups, 1, l, pairs)
        cls = torch.zeros(*angles.shape[:2], x.shape[-2] - groups.shape[1], angles.shape[-1])
        angles = torch.cat([cls, angles], dim=2).to(x.device)
        out = attend(rotate(q, angles), rotate(k, angles), v, mask, record=self.recorder(where))
        return self.proj(rearrange(out, "... head l e -> ... l (head e)"))


def use_rotary(model: nn.Module) -> None:
    """Put a `RotaryAttention` with the same weights in the place of each `MultiHeadAttention` of `model`."""
    for owner in list(model.modules()):
        for name, plain in owner.named_children():
            if type(plain) is MultiHeadAttention:
                rotary = RotaryAttention(width=plain.proj.out_features, heads=plain.heads)
                rotary.qkv, rotary.proj = plain.qkv, plain.proj
                setattr(owner, name, rotary)
