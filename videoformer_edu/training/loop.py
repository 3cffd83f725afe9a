"""The loop: the same for one processor, one GPU and many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from itertools import islice
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from videoformer_edu.training import faults
from videoformer_edu.training.blocks import checkpoint_blocks, keep_activations
from videoformer_edu.training.distributed import World, gradients_summed, whole_tensor
from videoformer_edu.training.history import History
from videoformer_edu.training.recipe import Recipe, make_optimiser, make_schedule

Batch = tuple[Tensor, Tensor]
Source = Callable[[int], Iterable[Batch]] | Iterable[Batch]
Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
AUTOCAST = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Checkpoints(Protocol):
    """What `fit` asks of `training.checkpoint`."""

    def restore(self, run: Run) -> None:
        """Load the newest state, if there is one, into a run that is about to start."""

    def due(self, done: int) -> bool:
        """After `done` steps: is it time to save?"""

    def save(self, run: Run) -> None: ...


class Run:
    """All that changes while training goes on.

    model: the trained one, unwrapped. module: the same as it is called (compiled, distributed). average: its moving
    average, or None. done: steps done. loss(module, inputs, targets): the mean loss of some rows; by default
    cross-entropy with the recipe's label smoothing.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, *, loss: Loss | None = None, world: World | None = None):
        self.world = world or World()
        self.device = self.world.device
        self.recipe, self.loss = recipe, loss or cross_entropy(recipe)
        self.model = model.to(self.device)
        self.average = averaged(self.model, recipe.ema)  # before the wrapping: spread parameters cannot be copied
        self.module = self.world.wrap(self.model)
        if self.average is not None:
            self.world.spread(self.average.module)
        if recipe.checkpointing:
            checkpoint_blocks(self.model)
        if recipe.compile:
            self.module = torch.compile(self.module)  # compiles at the first call
        self.optimiser = make_optimiser(self.model, recipe)
        self.schedule = make_schedule(self.optimiser, recipe)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=recipe.precision == "fp16")
        self.history, self.done = History(), 0

    @property
    def best_model(self) -> nn.Module:
        """What to evaluate and to keep: the moving average where there is one."""
        return self.model if self.average is None else self.average.module

    def step(self, batch: Batch) -> float:
        """One step on a global batch; its loss. Each process takes the rows rank::size of it."""
        number, rate = self.done + 1, self.schedule.get_last_lr()[-1]
        inputs, targets = mixed(*faults.check_batch(batch, self.recipe, number), self.recipe, self.done, self.model)
        total = len(inputs)
        self.world.check_batch(total)
        inputs, targets = self.world.rows(inputs), self.world.rows(targets)
        self.module.train()
        with faults.out_of_memory_explained(self.recipe, number):
            self.optimiser.zero_grad(set_to_none=True)
            loss = self._gradients(inputs, targets, total)
        self.scaler.unscale_(self.optimiser)
        norm = whole_tensor(nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip or torch.inf))
        loss, norm = torch.stack([self.world.total(loss), norm.to(loss)]).tolist()  # the one wait for the device
        faults.check_finite(loss, norm, self.recipe, number, rate)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        self.done = number
        self.history.add(step=number, loss=loss, lr=rate)
        return loss

    def _gradients(self, inputs: Tensor, targets: Tensor, total: int) -> Tensor:
        """Forward and backward of this process's rows, part by part; -> their share of the loss.

        Each part counts by its share of the global batch of `total` rows, whatever the sizes, so that the sum over
        parts and processes is the mean over all rows. (Gradients are *averaged* over processes, hence the factor.)
        """
        loss = torch.zeros((), device=self.device)
        parts = min(self.recipe.accumulate, len(inputs))
        pairs = zip(inputs.tensor_split(parts), targets.tensor_split(parts), strict=True)
        for i, (x, y) in enumerate(pairs, start=1):
            x, y = x.to(self.device, non_blocking=True), y.to(self.device, non_blocking=True)
            share = len(x) / total
            with gradients_summed(self.module, i == parts):
                with self._autocast():
                    part = self.loss(self.module, x, y)
                self.scaler.scale(part * (share * self.world.size)).backward()
            loss += share * part.detach()
        return loss

    def _autocast(self):
        dtype = AUTOCAST[self.recipe.precision]
        return nullcontext() if dtype is None else torch.amp.autocast(self.device.type, dtype)

    def state_dict(self) -> dict:
        """Tensors, numbers and strings; what is switched off is an empty dict."""
        return {
            "model": self.model.state_dict(),
            "average": {} if self.average is None else self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": {key: value for key, value in self.schedule.state_dict().items() if key != "lr_lambdas"},
            "scaler": self.scaler.state_dict(),
            "history": self.history.state_dict(),
            "done": self.done,
        }

    def load_state_dict(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict({**self.schedule.state_dict(), **state["schedule"]})
        self.scaler.load_state_dict(state["scaler"])
        self.history.load_state_dict(state["history"])
        self.done = state["done"]


def fit(model: nn.Module, source: Source, recipe: Recipe, *, device: torch.device | str | None = None,
        loss: Loss | None = None, evaluate: Callable[[nn.Module], dict] | None = None,
        evaluate_every: int | None = None, after_step: Callable[[Run], None] | None = None,
        checkpoints: Checkpoints | None = None, bar: bool = False, world: World | None = None) -> History:
    """Train `model` in place, `recipe.steps` steps; the history of the run.

    source(start) yields the global batches of steps start, start + 1, ... (from 0): inputs and integer labels `(b,)` or
    soft targets `(b, classes)`. Because the batch of a step depends on the step alone, a run that was stopped goes on
    where it was. A plain iterable of batches is taken, too, for a run from its beginning.

    evaluate(model) -> numbers by name, which join the history; every `evaluate_every` steps (default: ten times in a
    run) and after the last. It sees the moving average where the recipe keeps one, which also ends up in `model`.
    after_step(run) is called after each step, before a checkpoint is written.

    torch's global random state is set from the recipe's seed: dropout and stochastic depth draw from it. Same seed and
    same number of threads: same weights, to the last bit. `videoformer_edu.training.faults` lists what is raised.
    """
    run = Run(model, recipe, loss=loss, world=world or World(device=torch.device(device or "cpu")))
    torch.manual_seed(recipe.seed + run.world.rank)  # each process drops out other units
    if checkpoints is not None:
        checkpoints.restore(run)
    every = evaluate_every or max(1, recipe.steps // 10)
    for batch in batches(source, run):
        run.step(batch)
        if evaluate is not None and (run.done % every == 0 or run.done == recipe.steps):
            run.history.update(**evaluate(run.best_model))
        if after_step is not None:
            after_step(run)
        if checkpoints is not None and checkpoints.due(run.done):
            checkpoints.save(run)
    if recipe.checkpointing:
        keep_activations(model)
    if run.average is not None:
        model.load_state_dict(run.average.module.state_dict())
    return run.history


def batches(source: Source, run: Run) -> Iterable[Batch]:
    """The batches of the steps that are left. Raises ValueError where there are too few."""
    start, steps = run.done, run.recipe.steps
    if start and not callable(source):
        raise ValueError(f"the run goes on after step {start}, and a plain iterable of batches cannot; give a function "
                         "source(start) that yields the batches of steps start, start + 1, ...")
    came = 0
    if start < steps:
        for batch in islice(source(start) if callable(source) else source, steps - start):
            yield batch
            came += 1
        if came < steps - start:
            raise faults.ended_early(came, start, run.recipe)


def cross_entropy(recipe: Recipe) -> Loss:
    """The mean cross-entropy of some rows, with label smoothing; computed in float32 whatever the model's precision."""
    def loss(module: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(module(inputs).float(), targets, label_smoothing=recipe.label_smoothing)

    return loss


def averaged(model: nn.Module, decay: float) -> AveragedModel | None:
    """A copy whose weights and running statistics follow those of `model`: average = decay * average + the rest."""
    if decay == 0:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


def mixed(inputs: Tensor, targets: Tensor, recipe: Recipe, step: int, model: nn.Module) -> Batch:
    """MixUp or CutMix, a coin for each step where both are on; the same for every run that has this seed and step."""
    if not (recipe.mixup or recipe.cutmix):
        return inputs, targets
    from videoformer_edu.data.mixing import mix

    generator = torch.Generator().manual_seed(recipe.seed * 1000003 + 11 + step)
    return mix(inputs, targets, classes=model.head.out_features, mixup=recipe.mixup, cutmix=recipe.cutmix,
               generator=generator)
