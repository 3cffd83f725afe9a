"""What goes wrong in training, said in words: what happened, at which step, and what to try."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from videoformer_edu.training.distributed import Rows, World
from videoformer_edu.training.recipe import Recipe

LESS_MEMORY = ("the same batch in more parts (accumulate={more}), or a smaller one; checkpointing=True, which keeps no "
               'activations inside the blocks; precision="bf16"; shorter or smaller clips')


def check_batch(batch: object, recipe: Recipe, step: int, world: World) -> Rows:
    """The inputs and targets of a step, and how many rows its global batch has; or an error in words.

    batch: a global batch, a pair, or the `Rows` of this process. `step` counts from 1, as everywhere in this file.
    """
    total = None
    if isinstance(batch, Rows):
        batch, total = batch[:2], batch.total
    if not (isinstance(batch, tuple | list) and len(batch) == 2 and all(isinstance(x, Tensor) for x in batch)):
        shapes = [getattr(x, "shape", type(x).__name__) for x in batch] if isinstance(batch, tuple | list) else batch
        raise TypeError(f"the batch of step {step} is not a pair of tensors (inputs, labels): {shapes}")
    inputs, targets = batch
    if not inputs.is_floating_point():
        raise TypeError(f"the inputs of step {step} are {inputs.dtype}; expected floats: normalise the uint8 clips "
                        "first (data.pixels.normalise)")
    if len(inputs) == 0:
        raise ValueError(f"the batch of step {step} is empty")
    if total is None:
        total = len(inputs)
    elif len(inputs) != (expected := len(range(world.rank, total, world.size))):
        raise ValueError(f"process {world.rank} of {world.size} has {len(inputs)} of the {total} rows of step {step}; "
                         f"expected {expected}, the rows {world.rank}::{world.size}")
    if total > recipe.batch:
        raise ValueError(f"the batch of step {step} has {total} examples, the recipe says batch={recipe.batch}; "
                         "the source yields global batches, so let the two agree")
    if len(targets) != len(inputs):
        raise ValueError(f"step {step} has {len(inputs)} inputs and {len(targets)} targets; expected one for each")
    return Rows(inputs, targets, total)


def check_targets(targets: Tensor, classes: int, step: int) -> None:
    """Integer labels `(b,)` from 0 to classes - 1, or soft targets `(b, classes)` that sum to one."""
    if targets.is_floating_point():
        if targets.shape[1:] != (classes,):
            raise ValueError(f"the targets of step {step} are floats {tuple(targets.shape)}; expected integer labels "
                             f"(b,) or a probability for each of the model's {classes} classes, (b, {classes})")
        sums = targets.sum(dim=1)
        if targets.min() < 0 or (sums - 1).abs().max() > 1e-3:
            raise ValueError(f"the soft targets of step {step} are no probabilities: least {targets.min():g}, sums "
                             f"from {sums.min():g} to {sums.max():g}; expected rows that sum to 1")
        return
    if targets.dtype != torch.int64 or targets.ndim != 1:
        raise TypeError(f"the labels of step {step} are {targets.dtype} {tuple(targets.shape)}; expected "
                        "torch.int64 (b,): labels.long(), or labels.squeeze(1) for a column")
    low, high = targets.min().item(), targets.max().item()
    if low < 0 or high >= classes:
        raise ValueError(f"the labels of step {step} go from {low} to {high}, but the model has {classes} classes: "
                         f"labels 0 to {classes - 1}; build the model with classes={high + 1}, or count from 0")


def check_finite(loss: float, norm: float, recipe: Recipe, step: int, *, scale: float = 1.0) -> None:
    """Stop before the weights are spoiled: a loss or a gradient that is no number cannot be trained away.

    In fp16 a gradient may overflow: the scaler leaves that step out and lowers its `scale`. Only below 1, where there
    is nothing left to lower, it is a fault.
    """
    if math.isfinite(loss) and (math.isfinite(norm) or (recipe.precision == "fp16" and scale >= 1)):
        return
    what = f"the gradient of step {step} has the norm {norm} (its loss is {loss:.4g})"
    if not math.isfinite(loss):
        what = f"the loss of step {step} is {loss}"
    other = 'precision="bf16" or "fp32", ' if recipe.precision == "fp16" else ""
    raise FloatingPointError(
        f"{what}; the weights are still those of step {step - 1}. Try a lower learning rate than {recipe.lr:g}, "
        f"a longer warm-up than {recipe.warm_up:g}, {other}a smaller clip than {recipe.clip:g}, "
        "and look for inf and nan in the inputs")


def ended_early(came: int, start: int, recipe: Recipe) -> ValueError:
    """The source had fewer batches than steps were asked for."""
    if came == 0:
        return ValueError(f"the source is empty: no batch for step {start + 1} of {recipe.steps}; a loader with "
                          "drop_last=True and fewer examples than a batch yields nothing, and a generator is used up "
                          "after its first run")
    return ValueError(f"the source ended after {came} batches, at step {start + came} of {recipe.steps}; give it more "
                      f"epochs, or set steps={start + came}")


NO_MEMORY = ("can't allocate memory", "not enough memory")  # the processor's allocator, on Linux and on Windows


@contextmanager
def out_of_memory_explained(recipe: Recipe, step: int, processes: int = 1) -> Iterator[None]:
    """Running out of memory, on a GPU or on the processor, becomes a MemoryError that says what to try."""
    try:
        yield
    except RuntimeError as error:
        if not (isinstance(error, torch.cuda.OutOfMemoryError) or any(words in str(error) for words in NO_MEMORY)):
            raise
        rows = math.ceil(recipe.batch / processes)
        at_once, parts = math.ceil(rows / recipe.accumulate), min(rows, 2 * recipe.accumulate)
        first = str(error).strip().partition("\n")[0]
        raise MemoryError(f"out of memory in step {step}, with {at_once} examples at once; try "
                          f"{LESS_MEMORY.format(more=parts)}. ({first})") from error
