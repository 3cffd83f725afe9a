"""Attention rollout: from where did a token collect what it knows, over all layers? (Abnar and Zuidema 2020)

One layer's map says where its tokens look *in that layer*; what they find there has itself been collected by the layers
below. Rollout follows it down to the patches. A layer passes on W, its map averaged over heads, and, around the
attention, the token itself: A = (W + I) / 2. The product of all A, last layer first, has one row for each token at the
end and one column for each token at the start; every row sums to one.

    with record_attention(model) as maps:
        logits = model(video)
    token_attribution(maps)   # (b, t, h, w): what the head's token collected
    attention_rollout(maps)   # an AttentionMap over all layers: .cls_looks(), .looks_from(t, h, w), .dense()

It is bookkeeping of the maps alone: it knows neither values nor MLPs nor projections, and takes skip and attention for
equally strong. Where tokens merge between layers (pooled keys, patch merging), the maps do not say what a token is made
of: rollout is not defined there, and a ValueError says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from videoformer_edu.attention.cross import AlignedTime
from videoformer_edu.attention.patterns import Full, Spatial
from videoformer_edu.attention.pooling import Pooled
from videoformer_edu.attention.recording import AttentionMap
from videoformer_edu.tokens import Grid


def attention_rollout(maps: Mapping[str, AttentionMap], *, skip: float = 0.5) -> AttentionMap:
    """All maps of one forward pass, in its order, as one map from the last layer's tokens to the clip's patches.

    skip: the share of the residual, A = (1 - skip) W + skip I. Which product that is follows from the maps:

    - one sequence (ViT, joint attention, VideoMAE, ViViT models 1, 3, 4, TimeSformer divided): the product of the
      `s x s` matrices. CLS stays itself where it takes no part (time), its copies are averaged where it is in every
      frame, as the model averages their updates;
    - frames that never meet (space-only): one product for each frame, with a CLS of its own;
    - a factorised encoder (ViViT model 2): one product for each step, then that of the temporal encoder, whose tokens
      are the steps' CLS. The queries of the result are CLS and the steps, its keys all patches.

    Raises ValueError for pooled keys, windows with padding, stages of different grids, cross-attention and masked
    encoders, with the name of the map that is in the way.
    """
    if not 0 <= skip < 1:
        raise ValueError(f"skip is the share of the residual, at least 0 and below 1, got {skip}")
    if not maps:
        raise ValueError("there are no maps; call the model inside `with record_attention(model) as maps:` first")
    layers = list(maps.values())
    frames = [m for m in layers if isinstance(m.pattern, Spatial) and m.cls]
    others = [m for m in layers if m not in frames]
    if frames and all(_is_over_steps(m, frames[0].grid) for m in others):
        return _factorised(frames, others, skip)
    return _sequence(layers, skip)


def token_attribution(maps: Mapping[str, AttentionMap], *, skip: float = 0.5) -> Tensor:
    """`(b, t, h, w)`: the share of each patch in what the head reads, by rollout.

    That is the row of CLS; what CLS keeps of itself is left out, so the shares of a clip sum to less than one. Without
    CLS the head reads the mean of all tokens: the mean of all rows, whose sum is one.
    """
    result = attention_rollout(maps, skip=skip)
    if result.cls:
        return result.cls_looks()[:, 0]
    return result.dense().mean(dim=(1, 2)).unflatten(-1, tuple(result.key_grid))


def _is_over_steps(m: AttentionMap, grid: Grid) -> bool:
    """Is this a temporal encoder's map, over CLS and one token for each step?"""
    return isinstance(m.pattern, Full) and m.cls and m.grid == m.key_grid == Grid(grid.t, 1, 1)


def _product(matrices: list[Tensor], skip: float) -> Tensor:
    """Maps `(..., s, s)`, the first layer first -> `(..., s, s)`."""
    out = torch.eye(matrices[0].shape[-1], dtype=matrices[0].dtype, device=matrices[0].device)
    for w in matrices:
        out = (1 - skip) * (w @ out) + skip * out
    return out


def _factorised(frames: list[AttentionMap], steps: list[AttentionMap], skip: float) -> AttentionMap:
    """Every frame by itself, with its own CLS; then, if there is one, the temporal encoder over those CLS."""
    grid = frames[0].grid
    space = _product([m.probabilities.mean(dim=2) for m in frames], skip)  # (b, t, 1 + n, 1 + n)
    if not steps:
        return AttentionMap("rollout", space[:, :, None], Spatial(), grid)
    time = _product([m.probabilities.mean(dim=2)[:, 0] for m in steps], skip)  # (b, 1 + t, 1 + t)
    of_steps = time[:, :, 1:, None] * space[:, None, :, 0]  # (b, 1 + t, t, 1 + n): through each step's CLS
    cls = time[:, :, :1] + of_steps[..., 0].sum(dim=2, keepdim=True)  # what never left a CLS, of either encoder
    looks = torch.cat([cls, of_steps[..., 1:].flatten(2)], dim=2)  # (b, 1 + t, 1 + t*n)
    steps_to_patches = Pooled(kv_stride=(1, 1, 1), q_stride=(1, grid.h, grid.w))  # one query for each step
    return AttentionMap("rollout", looks[:, None, None], steps_to_patches, grid)


def _sequence(layers: list[AttentionMap], skip: float) -> AttentionMap:
    """One sequence through all layers."""
    grid, cls = layers[0].grid, any(m.cls for m in layers)
    matrices: list[Tensor] = []
    halves: dict[str, Tensor] = {}
    for m in layers:
        w = _matrix(m, grid)  # (b, s, s)
        owner, _, part = m.name.rpartition(".")
        if part in ("time", "space"):  # half of one layer's heads: the other half belongs to the same A
            if owner not in halves:
                halves[owner] = w
                continue
            w = (halves.pop(owner) + w) / 2
        if cls and not m.cls:  # CLS takes no part: it keeps what it has
            whole = torch.zeros(len(w), 1 + grid.l, 1 + grid.l, dtype=w.dtype, device=w.device)
            whole[:, 0, 0], whole[:, 1:, 1:] = 1, w
            w = whole
        matrices.append(w)
    return AttentionMap("rollout", _product(matrices, skip)[:, None, None], Full(), grid)


def _matrix(m: AttentionMap, grid: Grid) -> Tensor:
    """The map over the whole sequence, averaged over heads: `(b, s, s)`; ValueError if there is no such matrix."""
    def no(reason: str) -> ValueError:
        return ValueError(f"rollout is not defined here: {m.name} {reason}. Look at single maps instead: "
                          "maps[name].looks_from(t, h, w)")

    if isinstance(m.pattern, AlignedTime):
        raise no("looks at another sequence of tokens (cross-attention), and there is no one start to follow it to")
    if m.key_grid != m.grid:
        raise no(f"looks at {tuple(m.key_grid)} pooled keys from {tuple(m.grid)} queries, and no map says which "
                 "patches a pooled key is made of")
    if m.grid != grid:
        raise no(f"lies on the grid {tuple(m.grid)}, the first map on {tuple(grid)}: between them tokens were merged "
                 "by learned weights, which no map holds")
    w = replace(m, probabilities=m.probabilities.mean(dim=2, keepdim=True)).dense()[:, 0]
    sums = w.sum(dim=-1)
    rounding = 1e-4 if w.dtype.itemsize > 2 else 1e-2  # bfloat16 has three digits
    if not torch.allclose(sums, torch.ones_like(sums), atol=rounding):
        raise no("has rows that do not sum to one, because part of the attention goes to padding or because some "
                 "tokens are hidden")
    return w


__all__ = ["attention_rollout", "token_attribution"]
