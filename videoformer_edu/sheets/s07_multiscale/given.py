"""What sheet 07 hands out: a linear map, a norm, and the relative positions of MViT version 2."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def linear(x, weights, name):
    """One linear map of the dict, on the last axis (given)."""
    return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def norm(x, weights, name):
    """LayerNorm over the last axis, eps 1e-6 (given)."""
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)


def distance_scores(q, weights, name, queries, keys):
    """What each pooled query adds to its scores for the distances (given): q (b, head, 1 + l, e), on the grid queries
    (t, h, w), keys on theirs -> (b, head, 1 + l, 1 + l'), 0 for CLS."""
    patches, added = q[:, :, 1:].unflatten(2, queries), 0
    for i, axis in enumerate("thw"):
        rows, columns = torch.arange(queries[i])[:, None], keys[i] - 1 - torch.arange(keys[i])
        size = max(queries[i], keys[i])
        table = weights[f"{name}.{axis}.table"][rows * size // queries[i] + columns * size // keys[i]]
        one = torch.einsum(f"bnthwe,{axis}ke->bnthwk", patches, table)
        shape = [1, 1, 1]
        shape[i] = keys[i]
        added = added + one.unflatten(-1, shape)
    return F.pad(added.flatten(5).flatten(2, 4), (1, 0, 1, 0))
