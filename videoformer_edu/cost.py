"""What a model costs: tokens, query-key pairs, multiply-adds, parameters, attention memory.

Closed form first, so that a learner can follow every term; `count_macs` then counts the real module. The papers'
"GFLOPs" are multiply-adds (MAC): one multiply and one add count once. torch's own counter prints twice as much.
All figures are for one clip (batch 1) and one forward pass.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from videoformer_edu.attention.core import Attention
from videoformer_edu.attention.patterns import check_grid
from videoformer_edu.attention.recording import record_attention
from videoformer_edu.models.timesformer import ATTENTIONS
from videoformer_edu.models.vit import patches_per_side
from videoformer_edu.tokens import Grid


@dataclass(frozen=True)
class Cost:
    """`tokens` in the sequence (CLS included), query-key `pairs` of one block (CLS included), `macs` multiply-adds of
    the whole forward pass, `parameters` of the model, `attention_bytes` of one block's scores, all heads, in fp32, if
    they were stored (an eager implementation stores them, a fused kernel never does)."""

    tokens: int
    pairs: int
    macs: int
    parameters: int
    attention_bytes: int


@dataclass(frozen=True)
class Published:
    """A row of a paper's table: `top1` on Kinetics-400 in per cent, cost per view in G multiply-adds."""

    name: str
    frames: int
    image_size: int
    attention: str
    parameters_m: float
    gmacs: float
    top1: float


# Bertasius et al. 2021, tables 1 to 5. The paper prints TFLOPs for 3 views, which are divided by 3 here; its parameter
# counts leave out CLS and the position tables.
PUBLISHED_TIMESFORMER = (
    Published("TimeSformer", 8, 224, "divided", 121.4, 590 / 3, 78.0),
    Published("TimeSformer-HR", 16, 448, "divided", 121.4, 5110 / 3, 79.7),
    Published("TimeSformer-L", 96, 224, "divided", 121.4, 7140 / 3, 80.7),
)


def attention_macs(tokens: int, pairs: int, width: int) -> int:
    """One multi-head attention: q, k, v and output projections of every token, then q k^T and probabilities x v."""
    return 4 * tokens * width**2 + 2 * pairs * width


def block_parameters(width: int, mlp_ratio: float, attentions: int = 1, extra_projections: int = 0) -> int:
    """Norms, attentions, further d x d projections and the MLP of one block; every linear map has a bias."""
    hidden = int(width * mlp_ratio)
    norms = (attentions + 1) * 2 * width
    maps = (4 * attentions + extra_projections) * (width**2 + width)
    return norms + maps + 2 * width * hidden + hidden + width


def vit_cost(*, image_size: int = 224, patch_size: int = 16, width: int = 768, depth: int = 12, heads: int = 12,
             classes: int = 1000, mlp_ratio: float = 4.0, channels: int = 3) -> Cost:
    """An image through ViT."""
    n = patches_per_side(image_size, patch_size) ** 2
    tokens, pairs = n + 1, (n + 1) ** 2
    block = attention_macs(tokens, pairs, width) + 2 * tokens * width * int(width * mlp_ratio)
    patch = channels * patch_size**2
    macs = n * patch * width + depth * block + width * classes
    parameters = (patch + 1) * width + (n + 2) * width + depth * block_parameters(width, mlp_ratio)
    parameters += 2 * width + (width + 1) * classes  # last norm and head
    return Cost(tokens, pairs, macs, parameters, 4 * heads * pairs)


def timesformer_pairs(grid: Grid, attention: str) -> int:
    """Query-key pairs of one block, CLS included."""
    t, n = grid.t, grid.n
    if attention == "joint":
        return (t * n + 1) ** 2
    frames = t * (n + 1) ** 2  # each frame with its own copy of CLS
    if attention == "space_only":
        return frames
    if attention == "divided":
        return n * t**2 + frames
    raise ValueError(f"attention must be one of {', '.join(ATTENTIONS)}; got {attention!r}")


def timesformer_cost(*, frames: int = 8, image_size: int = 224, patch_size: int = 16, width: int = 768,
                     depth: int = 12, heads: int = 12, classes: int = 400, mlp_ratio: float = 4.0, channels: int = 3,
                     attention: str = "divided") -> Cost:
    """A clip through TimeSformer with "divided", "joint" or "space_only" attention."""
    side = patches_per_side(image_size, patch_size)
    grid = check_grid(Grid(frames, side, side))
    t, n, d = grid.t, grid.n, width
    pairs = timesformer_pairs(grid, attention)
    sequence = t * (n + 1) if attention == "space_only" else t * n + 1  # space_only keeps a CLS in every frame
    if attention == "divided":
        time = attention_macs(t * n, n * t**2, d) + t * n * d**2  # patches only, then the temporal projection
        space = attention_macs(t * (n + 1), t * (n + 1) ** 2, d)
        both = time + space
    else:
        both = attention_macs(sequence, pairs, d)
    block = both + 2 * sequence * d * int(d * mlp_ratio)
    patch = channels * patch_size**2
    macs = t * n * patch * d + depth * block + d * classes
    divided = attention == "divided"
    parameters = (patch + 1) * d + (n + 2) * d  # patch projection; CLS and its place; places of the patches
    parameters += 0 if attention == "space_only" else t * d  # time table
    parameters += depth * block_parameters(d, mlp_ratio, attentions=2 if divided else 1, extra_projections=divided)
    parameters += 2 * d + (d + 1) * classes
    return Cost(t * n + 1, pairs, macs, parameters, 4 * heads * pairs)


def crossing(*, limit: int = 4096, **model) -> int | None:
    """The smallest number of frames at which divided attention costs less than joint, or None up to `limit`.

    `model` takes what `timesformer_cost` takes, without frames and attention.
    """
    for frames in range(1, limit + 1):
        if (timesformer_cost(frames=frames, attention="divided", **model).macs
                < timesformer_cost(frames=frames, attention="joint", **model).macs):
            return frames
    return None


def count_macs(model: nn.Module, *shape: int) -> int:
    """Multiply-adds of `model` on an input of this shape, counted in the real forward pass.

    Runs on the meta device: shapes only, no numbers, no memory. Attention is recorded meanwhile, because torch's
    counter sees explicit matrix products but counts nothing for the fused kernel on a CPU.
    """
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}  # also those no checkpoint holds
    meta = {name: torch.empty_like(p, device="meta") for name, p in tensors.items()}
    counter = FlopCounterMode(display=False)
    attends = any(isinstance(module, Attention) for module in model.modules())  # a 3-D CNN does not
    with torch.no_grad(), record_attention(model) if attends else nullcontext(), counter:
        functional_call(model, meta, (torch.empty(shape, device="meta"),))
    return counter.get_total_flops() // 2


def count_parameters(model: nn.Module) -> int:
    """All parameters, trained or not."""
    return sum(p.numel() for p in model.parameters())
