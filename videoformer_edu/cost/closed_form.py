"""Costs in closed form: every term of every product stands here, and a test holds them to the counted modules."""

from __future__ import annotations

from dataclasses import dataclass

from videoformer_edu.attention.patterns import Spatial, Temporal, check_grid
from videoformer_edu.models.timesformer import ATTENTIONS
from videoformer_edu.models.vivit import VARIANTS
from videoformer_edu.tokens import Grid, patches_per_side


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


def vivit_pairs(grid: Grid, variant: str) -> int:
    """Query-key pairs of one block, CLS included. Of the factorised encoder: one block of the spatial encoder.

    In model 3 one attention has the pairs in space, the other those in time; in model 4 one half of the heads each.
    """
    if variant == "spatio_temporal":
        return (check_grid(grid).l + 1) ** 2
    if variant == "factorised_encoder":
        return check_grid(grid).t * (grid.n + 1) ** 2  # each step with its own CLS
    if variant in VARIANTS:
        return Spatial().pairs(grid) + Temporal().pairs(grid)  # no CLS
    raise ValueError(f"variant must be one of {', '.join(VARIANTS)}; got {variant!r}")


def vivit_cost(*, variant: str = "spatio_temporal", frames: int = 32, image_size: int = 224, tubelet_size: int = 2,
               patch_size: int = 16, width: int = 768, depth: int = 12, temporal_depth: int = 4, heads: int = 12,
               classes: int = 400, mlp_ratio: float = 4.0, channels: int = 3) -> Cost:
    """A clip through one of ViViT's four models. `temporal_depth` counts in the factorised encoder alone."""
    if tubelet_size < 1 or frames % tubelet_size:
        raise ValueError(f"tubelet_size {tubelet_size} must divide frames {frames}")
    side = patches_per_side(image_size, patch_size)
    grid = check_grid(Grid(frames // tubelet_size, side, side))
    pairs = vivit_pairs(grid, variant)
    t, n, d, hidden = grid.t, grid.n, width, int(width * mlp_ratio)
    factorised, half = variant == "factorised_self_attention", variant == "factorised_dot_product"

    def block(tokens: int, pairs: int) -> int:
        return attention_macs(tokens, pairs, d) + 2 * tokens * d * hidden

    if variant == "factorised_encoder":
        tokens = t * (n + 1)
        blocks = depth * block(tokens, pairs) + temporal_depth * block(t + 1, (t + 1) ** 2)  # the end is nearly free
        tables = (n + 2) * d  # CLS; a place for it and for each patch, the same in every step
        tables += 2 * d + (t + 2) * d if temporal_depth else 0  # the temporal encoder's norm, CLS and places
        depth += temporal_depth
    else:
        cls = int(variant == "spatio_temporal")
        tokens = grid.l + cls
        blocks = depth * block(tokens, pairs)
        blocks += depth * 4 * tokens * d**2 if factorised else 0  # model 3 projects twice, for space and for time
        blocks -= depth * pairs * d if half else 0  # model 4: either pair is scored by half of the heads, half of d
        tables = (tokens + cls) * d
    box = channels * tubelet_size * patch_size**2
    macs = grid.l * box * d + blocks + d * classes
    parameters = (box + 1) * d + tables + 2 * d + (d + 1) * classes  # tubelets, tables, last norm, head
    parameters += depth * block_parameters(d, mlp_ratio, attentions=2 if factorised else 1)
    return Cost(tokens, pairs, macs, parameters, 4 * (heads // 2 if half else heads) * pairs)
