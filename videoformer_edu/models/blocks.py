"""The blocks that a model is stacked from: how deep each parameter sits, and which activations need not be kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm  # of any number of axes, synchronised or not
from torch.utils.checkpoint import checkpoint

from videoformer_edu.models import SlowFast, TwoPathwayTransformer, VideoMAEPretraining

# A numbered child of `blocks`, `decoder_blocks`, `slow_stages`, ... Of a stage that holds blocks, the blocks count.
BLOCK = re.compile(r"(^|\.)(\w+_)?(blocks|stages|layers)\.\d+$")
NO_ONE_ORDER = (SlowFast, TwoPathwayTransformer, VideoMAEPretraining)


def blocks_of(model: nn.Module) -> dict[str, nn.Module]:
    """The model's blocks by name, in the order in which it was built. Raises ValueError where there are none."""
    found = {name: module for name, module in model.named_modules() if BLOCK.search(name)}
    inner = {name: module for name, module in found.items() if not any(n.startswith(f"{name}.") for n in found)}
    if not inner:
        raise ValueError(f"{type(model).__name__} has no blocks (a list of modules named blocks, stages or layers), "
                         "and shard, checkpointing and layer_decay work block by block; leave them out")
    return inner


def layer_ids(model: nn.Module) -> dict[str, int]:
    """For each parameter's name the layer it belongs to: embeddings 0, block i in layer i + 1, the last norm and the
    head in the last layer.

    What stands between two blocks (the merging of a Swin stage, the positions of ViViT's temporal encoder) belongs to
    the one that follows. Raises ValueError for a model that is no stack: two pathways, or an encoder and a decoder.
    """
    if isinstance(model, NO_ONE_ORDER):
        raise ValueError(f"{type(model).__name__} is not one stack of layers, so layer_decay has no meaning for it; "
                         "use layer_decay=1")
    numbers = {name: i for i, name in enumerate(blocks_of(model), start=1)}
    ids, waiting, seen = {}, [], 0
    for name, _ in model.named_parameters():
        block = next((number for block, number in numbers.items() if name.startswith(f"{block}.")), None)
        if block is None:
            waiting.append(name)
            continue
        ids |= dict.fromkeys(waiting, block if seen else 0) | {name: block}
        waiting, seen = [], block
    return ids | dict.fromkeys(waiting, len(numbers) + 1)


# -------------------------------------------------------------------------------------- activation checkpointing


def checkpoint_blocks(model: nn.Module, *, compiled: bool = False) -> None:
    """From now on, training keeps each block's input alone and computes the block again in the backward pass.

    A third more time for a fraction of the memory (Chen et al. 2016, arXiv:1604.06174). Gradients are the same, also
    with stochastic depth: the second pass draws the same random numbers. Parameters keep their names.

    compiled: torch.compile comes on top. Raises ValueError then for a model with batch norms, whose statistics must not
    move in the second pass: torch.compile does not know how.
    """
    if compiled and any(isinstance(module, BatchNorm) for module in model.modules()):
        raise ValueError(f"{type(model).__name__} has batch norms, which cannot be compiled and checkpointed at once; "
                         "choose compile=True or checkpointing=True, not both")
    for block in blocks_of(model).values():
        if "forward" not in vars(block):
            block.forward = partial(_again, block, block.forward)


def keep_activations(model: nn.Module) -> None:
    """Take back `checkpoint_blocks`."""
    for block in blocks_of(model).values():
        vars(block).pop("forward", None)


def _again(block: nn.Module, forward, *inputs, **options):
    if not torch.is_grad_enabled():
        return forward(*inputs, **options)
    if norms := [module for module in block.modules() if isinstance(module, BatchNorm)]:
        options["context_fn"] = lambda: (nullcontext(), statistics_kept(norms))
    return checkpoint(forward, *inputs, use_reentrant=False, **options)


@contextmanager
def statistics_kept(norms: list[BatchNorm]) -> Iterator[None]:
    """Inside, batch norms leave their running statistics alone: a batch that is seen twice must not count twice."""
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
