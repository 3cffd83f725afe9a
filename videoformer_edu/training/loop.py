"""The loop: the same for one processor, one GPU and many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, nullcontext
from itertools import islice

import torch
from torch import nn

from videoformer_edu.models.blocks import keep_activations
from videoformer_edu.training import faults
from videoformer_edu.training.distributed import World
from videoformer_edu.training.history import History
from videoformer_edu.training.recipe import Recipe
from videoformer_edu.training.resume import Checkpoints
from videoformer_edu.training.step import Batch, Loss, Run
from videoformer_edu.training.watching import step_bar

Source = Callable[[int], Iterable[Batch]] | Iterable[Batch]


def fit(model: nn.Module, source: Source, recipe: Recipe, *, device: torch.device | str | None = None,
        loss: Loss | None = None, evaluate: Callable[[nn.Module], dict] | None = None,
        evaluate_every: int | None = None, after_step: Callable[[Run], None] | None = None,
        checkpoints: Checkpoints | None = None, bar: bool = False, world: World | None = None) -> History:
    """Train `model` in place, `recipe.steps` steps; -> the history of the run.

    source(start) yields the global batches of steps start, start + 1, ... (from 0): inputs and integer labels `(b,)` or
    soft targets `(b, classes)`. Because the batch of a step depends on the step alone, a run that was stopped goes on
    where it was. A plain iterable of batches is taken, too, for a run from its beginning. In one of several processes
    the source may yield this process's `Rows` alone; MixUp and CutMix then find partners among these.

    loss: see `Run`. evaluate(model) -> numbers by name, which join the history, every `evaluate_every` steps (default:
    ten times in a run) and after the last. It sees the moving average where the recipe keeps one; that is also what
    `model` holds in the end. after_step(run) is called after each step and its evaluation, before a checkpoint.
    bar: a progress bar, where somebody watches. device or world: where to train, by default on one CPU.

    torch's global random state is set from the recipe's seed: dropout and stochastic depth draw from it. Same seed and
    same number of threads: same weights, to the last bit. What can go wrong: `training.faults`.
    """
    run = Run(model, recipe, loss=loss, world=world or World(device=torch.device(device or "cpu")))
    torch.manual_seed(recipe.seed + run.world.rank)  # each process drops other units
    every = evaluate_every or max(1, recipe.steps // 10)
    with nullcontext() if checkpoints is None else closing(checkpoints):
        if checkpoints is not None:
            checkpoints.restore(run)
        with step_bar(run, shown=bar) as tick:
            for batch in batches(source, run):
                run.step(batch)
                if evaluate is not None and (run.done % every == 0 or run.done == recipe.steps):
                    run.history.update(**evaluate(run.result))
                tick()
                if after_step is not None:
                    after_step(run)
                if checkpoints is not None and checkpoints.due(run.done):
                    checkpoints.save(run)
    if recipe.checkpointing:
        keep_activations(model)
    if run.average is not None:
        model.load_state_dict(run.result.state_dict())
    return run.history


def batches(source: Source, run: Run) -> Iterator[Batch]:
    """The batches of the steps that are left. Raises ValueError where there are too few."""
    start, left = run.done, run.recipe.steps - run.done
    if start and not callable(source):
        raise ValueError(f"the run goes on after step {start}, and a plain iterable of batches cannot; give a function "
                         "source(start) that yields the batches of steps start, start + 1, ...")
    came = 0
    for batch in islice(source(start) if callable(source) else source, left):
        yield batch
        came += 1
    if came < left:
        raise faults.ended_early(came, start, run.recipe)
