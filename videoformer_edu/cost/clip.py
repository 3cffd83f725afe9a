"""What one clip costs a TimeSformer, as a reader asks: tokens, work and memory, to look at it or to train on it.

A tubelet stands for several frames, as ViViT embeds them: with joint attention and tubelets of two frames this is
ViViT's model 1. Everything is in closed form; tests hold the work to the counted modules and the memory to the bytes
that `cost/memory.py` finds.
"""

from __future__ import annotations

from typing import NamedTuple

from videoformer_edu.cost.closed_form import timesformer_cost
from videoformer_edu.models.timesformer import ATTENTIONS
from videoformer_edu.tokens import patches_per_side

FLOAT = 4  # bytes of a number in fp32
PASSES = {"inference": 1, "training": 3, "checkpointed": 4}  # forward; backward is two of it; the blocks once more
COPIES = {"inference": 1, "training": 3, "checkpointed": 3}  # of a parameter: its weight, and AdamW's two moments
OPEN = {"joint": 6, "space_only": 8, "divided": 11}  # tokens alive, times d, beside the tables of attention in the open


class Activations(NamedTuple):
    """Bytes in fp32 that one clip needs beside parameters and pixels, where no scores are stored.

    forward: the most that is alive at once while nothing is kept. kept: what training keeps for the backward pass.
    checkpointed: the same, where only the inputs of the blocks are kept. block: what one block keeps, out of `kept`.
    """

    forward: int
    kept: int
    checkpointed: int
    block: int


class ClipCost(NamedTuple):
    """`tokens` with CLS; `macs` multiply-adds; `parameters`; and in bytes of fp32 what the passes work in (`working`),
    and all `memory`: weights and the optimiser's state as well."""

    tokens: int
    macs: int
    parameters: int
    working: int
    memory: int


def activations(*, frames: int = 8, image_size: int = 224, patch_size: int = 16, width: int = 768, depth: int = 12,
                heads: int = 12, classes: int = 400, mlp_ratio: float = 4.0, attention: str = "divided") -> Activations:
    """Of one clip through TimeSformer, attention fused: neither scores nor probabilities are stored.

    A block keeps what its products and norms were given: a joint one 8 d + 2 m numbers a token (m is the MLP's hidden
    width), a divided one 15 d + 2 m, and a few statistics. `forward` holds for MLPs of four times the width or more.
    """
    if attention not in ATTENTIONS:
        raise ValueError(f"attention must be one of {', '.join(ATTENTIONS)}; got {attention!r}")
    t, n, d, m = frames, patches_per_side(image_size, patch_size) ** 2, width, int(width * mlp_ratio)
    patches, framed = t * n, t * (n + 1)  # framed: with a copy of CLS in every frame
    tokens = framed if attention == "space_only" else patches + 1
    forward = tokens * (3 * d + 2 * m)
    if attention == "divided":
        time = patches * (6 * d + heads + 2) + tokens * d
        space = framed * (5 * d + heads) + tokens * (d + 2)
        block = time + space + tokens * (2 * d + 2 * m + 2)
        forward += 2 * patches * d
    else:
        block = tokens * (8 * d + 2 * m + heads + 4)
        forward += (patches + 1) * d if attention == "space_only" else 0  # its embedding waits for the end
    last = (n + 1) * d if attention == "space_only" else tokens * d  # what the last norm was given
    end = last + 2 + d + classes + 1  # its statistics, the head's input, the logarithms, the labels' weight
    return Activations(*(FLOAT * x for x in (forward, depth * block + end, depth * tokens * d + end, block)))


def clip_cost(*, frames: int = 8, image_size: int = 224, patch_size: int = 16, tubelet_size: int = 1, width: int = 768,
              depth: int = 12, heads: int = 12, classes: int = 400, attention: str = "joint",
              purpose: str = "inference", stored: bool = False) -> ClipCost:
    """One clip: "inference", "training", or training with "checkpointed" blocks. MLPs are four times as wide as tokens.

    Training costs three forward passes, with checkpointing four. It works in what the forward pass keeps, or later,
    when that has been used up, in the gradients and the inside of one block: whichever is more.
    stored: attention in the open stores its tables, scores and probabilities of one block in a forward pass, the
    probabilities of every block in training, of one with checkpointing. Raises ValueError for what does not divide.
    """
    if purpose not in PASSES:
        raise ValueError(f"purpose must be one of {', '.join(PASSES)}; got {purpose!r}")
    if tubelet_size < 1 or frames % tubelet_size:
        raise ValueError(f"tubelet_size {tubelet_size} must divide frames {frames}")
    model = dict(frames=frames // tubelet_size, image_size=image_size, patch_size=patch_size, width=width,
                 depth=depth, heads=heads, classes=classes, attention=attention)
    cost, parts = timesformer_cost(**model, channels=3 * tubelet_size), activations(**model)
    table = cost.attention_bytes if stored else 0
    gradients = FLOAT * cost.parameters
    if purpose == "training":
        working = max(parts.kept + depth * table, gradients + parts.block + table)
    elif purpose == "checkpointed":
        working = max(parts.checkpointed, gradients) + parts.block + table
    else:
        tables = FLOAT * OPEN[attention] * cost.tokens * width + 2 * table
        working = max(parts.forward, tables) if stored else parts.forward
    return ClipCost(cost.tokens, PASSES[purpose] * cost.macs, cost.parameters, working,
                    FLOAT * COPIES[purpose] * cost.parameters + working)
