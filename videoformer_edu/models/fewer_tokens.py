"""A trained TimeSformer on fewer tokens, not trained again: merged layer by layer, or dropped where they repeat.

    merged_logits(model, video, r=16)                                         # token merging, joint or divided
    run_length_logits(model, video, kept_tokens(video, patch_size=8))         # run-length tokenisation, joint
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor

from videoformer_edu.attention.merging import match, merge, proportional_attention
from videoformer_edu.models.timesformer import DividedSpaceTimeBlock, TimeSformer
from videoformer_edu.models.vit import TransformerBlock
from videoformer_edu.run_length import run_lengths
from videoformer_edu.tokens import Grid


def merging_block(block: TransformerBlock, x: Tensor, size: Tensor | None, r: int) -> tuple[Tensor, Tensor | None]:
    """One block, CLS first: attention among all tokens, then `r` of them are merged, then the MLP on what is left."""
    update, keys = proportional_attention(block.attention, block.attention_norm(x), size)  # keys (b, head, l, e)
    x = x + update
    if r:
        x, size = merge(x, match(keys.mean(dim=1), r, cls=1), size)
    return x + block.mlp(block.mlp_norm(x)), size


def merging_divided_block(block: DividedSpaceTimeBlock, x: Tensor, grid: Grid, size: Tensor | None, r: int,
                          whole_tubes: bool) -> tuple[Tensor, Tensor | None]:
    """One divided block on `(b, 1 + t*n, d)`; afterwards every frame has `r` patches less.

    Time needs a patch in every frame at the same place. whole_tubes: all frames merge the same places (their keys are
    compared in all frames at once). Otherwise each frame merges what is similar there, and the j-th patches of two
    frames need not lie at the same place any more. size `(b, t, n)`.
    """
    t, cls = grid.t, x[:, None, :1].expand(-1, grid.t, -1, -1)
    tubes = rearrange(x[:, 1:], "b (t n) d -> b n t d", t=t)
    in_time = None if size is None else rearrange(size, "b t n -> b n t")
    update, _ = proportional_attention(block.temporal_attention.attention, block.temporal_norm(tubes), in_time)
    patches = rearrange(tubes + block.temporal_projection(update), "b n t d -> b t n d")
    frames = torch.cat([cls, patches], dim=2)  # (b, t, 1 + n, d), a copy of CLS in each
    in_space = None if size is None else torch.cat([torch.ones_like(size[..., :1]), size], dim=2)
    update, keys = proportional_attention(block.spatial_attention.attention, block.spatial_norm(frames), in_space)
    cls, patches = x[:, :1] + update[:, :, :1].mean(dim=1), patches + update[:, :, 1:]
    if r:
        keys = keys.mean(dim=2)[:, :, 1:]  # (b, t, n, e)
        if whole_tubes:
            groups = match(rearrange(keys, "b t n e -> b n (t e)"), r)[:, None].expand(-1, t, -1)
        else:
            groups = rearrange(match(rearrange(keys, "b t n e -> (b t) n e"), r), "(b t) n -> b t n", t=t)
        size = None if size is None else size.flatten(0, 1)
        patches, size = merge(patches.flatten(0, 1), groups.flatten(0, 1), size)
        patches, size = (y.unflatten(0, (len(x), t)) for y in (patches, size))
    x = torch.cat([cls, patches.flatten(1, 2)], dim=1)
    return x + block.mlp(block.mlp_norm(x)), size


def merged_logits(model: TimeSformer, video: Tensor, *, r: int, whole_tubes: bool = True) -> Tensor:
    """Video `(b, c, t, h, w)` -> logits, where every block merges `r` tokens of the clip; r = 0 is the model itself.

    A divided model merges `r / t` patches in each frame; t must divide r. Raises ValueError for space-only attention.
    """
    x, grid = model.embed(video)
    if model.attention == "space_only" or model.attention == "divided" and r % grid.t:
        raise ValueError(f"merging is for joint and divided attention, where the {grid.t} frames must divide r; "
                         f"got {model.attention!r} and r={r}")
    size = None
    for block in model.blocks:
        if model.attention == "joint":
            x, size = merging_block(block, x, size, r)
        else:
            x, size = merging_divided_block(block, x, grid, size, r // grid.t, whole_tubes)
    return model.head(model.norm(x[:, 0]))


def run_length_logits(model: TimeSformer, video: Tensor, keep: Tensor, *, weigh: bool = True) -> Tensor:
    """Video -> logits of a joint model that is given the kept tokens alone, each with its own position.

    keep `(b, t, h, w)` bool, of `kept_tokens`. weigh: a token that stands for s steps weighs as s keys in the softmax,
    which a trained model understands; the paper adds a table of lengths to the tokens instead, and trains with it.
    Clips keep different numbers of tokens, so each is computed by itself.
    """
    if model.attention != "joint":
        raise ValueError(f"dropping tokens leaves holes in tubes and frames; the model must be joint, "
                         f"not {model.attention!r}")
    x, grid = model.embed(video)
    if keep.shape != (len(video), *grid):
        raise ValueError(f"keep is {tuple(keep.shape)}, the tokens of this clip are {(len(video), *grid)}")
    kept = torch.cat([keep.new_ones(len(x), 1), keep.flatten(1)], dim=1)  # CLS stays
    lengths = torch.cat([kept[:, :1].long(), run_lengths(keep).flatten(1)], dim=1).to(x.dtype)
    logits = []
    for tokens, chosen, length in zip(x, kept, lengths, strict=True):
        y, size = tokens[None, chosen], length[None, chosen] if weigh else None
        for block in model.blocks:
            y, _ = merging_block(block, y, size, 0)
        logits.append(model.head(model.norm(y[:, 0])))
    return torch.cat(logits)


__all__ = ["merged_logits", "merging_block", "merging_divided_block", "run_length_logits"]
