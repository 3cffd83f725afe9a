"""One step of training, on one processor, one GPU or many: forward, backward, clip, update."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from videoformer_edu.data.mixing import mix
from videoformer_edu.models.blocks import checkpoint_blocks
from videoformer_edu.training import faults
from videoformer_edu.training.distributed import Rows, World, gradients_summed, whole
from videoformer_edu.training.history import History
from videoformer_edu.training.recipe import Recipe, make_optimiser, make_schedule

Batch = tuple[Tensor, Tensor] | Rows
Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Run:
    """All that changes while training goes on; `state_dict` has all of it but the random generators.

    model: what is trained. module: the same as it is called, distributed and compiled. average: its moving average or
    None. optimiser, schedule, scaler; done, the number of steps done; history.
    loss(module, inputs, targets): the mean loss of some rows. None is cross-entropy, and then targets are checked.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, *, loss: Loss | None = None, world: World | None = None):
        self.recipe, self.world = recipe, world or World()
        self.device = self.world.device
        self.classes = None if loss else classes_of(model)
        self.loss = loss or cross_entropy(recipe.label_smoothing)
        self.model = model.to(self.device)
        self.average = averaged(self.model, recipe.ema)  # before the wrapping: spread parameters cannot be copied
        self.wrapped = self.world.wrap(self.model)
        if self.average is not None:
            self.world.spread(self.average.module)
        if recipe.checkpointing:
            checkpoint_blocks(self.model, compiled=recipe.compile)
        self.module = torch.compile(self.wrapped) if recipe.compile else self.wrapped  # compiles at its first call
        self.optimiser = make_optimiser(self.model, recipe)
        self.schedule = make_schedule(self.optimiser, recipe)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=recipe.precision == "fp16")
        self.history, self.done = History(), 0

    @property
    def result(self) -> nn.Module:
        """What to evaluate and to keep: the moving average where there is one."""
        return self.model if self.average is None else self.average.module

    def step(self, batch: Batch) -> float:
        """One step on a global batch, of which each process takes its rows; -> the loss, before the step.

        A source that loads local rows only yields them as `Rows`. Raises what `training.faults` describes; the weights
        are then those of the step before.
        """
        number, rate = self.done + 1, self.optimiser.param_groups[-1]["lr"]
        inputs, targets, total = faults.check_batch(batch, self.recipe, number, self.world)
        self.world.check_batch(total)
        if isinstance(batch, Rows):
            inputs, targets = self._mixed(inputs, targets, number, self.world.rank)
        else:
            inputs, targets = (self.world.rows(x) for x in self._mixed(inputs, targets, number))
        self.module.train()
        self.optimiser.zero_grad(set_to_none=True)
        with faults.out_of_memory_explained(self.recipe, number, self.world.size):
            loss = self._gradients(inputs, targets, total)
            self.scaler.unscale_(self.optimiser)  # before clipping: the bound is meant for the true gradient
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip or torch.inf)
            loss, norm = self.world.total(loss).item(), whole(norm).item()  # the one wait for the device
        faults.check_finite(loss, norm, self.recipe, number, scale=self.scaler.get_scale())
        self.scaler.step(self.optimiser)  # leaves it out where fp16 has overflowed; update() then lowers the scale
        self.scaler.update()
        if norm < torch.inf:
            self.schedule.step()
            if self.average is not None:
                self.average.update_parameters(self.model)
        self.done = number
        self.history.add(step=number, loss=loss, lr=rate)
        return loss

    def _mixed(self, inputs: Tensor, targets: Tensor, number: int, rank: int = 0) -> tuple[Tensor, Tensor]:
        """Checked, and mixed if the recipe says so, by chance that depends on the seed, the step and `rank` alone."""
        if self.classes is None:
            return inputs, targets
        faults.check_targets(targets, self.classes, number)
        if not (self.recipe.mixup or self.recipe.cutmix):
            return inputs, targets
        generator = torch.Generator().manual_seed(self.recipe.seed * 1000003 + number + 10**8 * rank)
        return mix(inputs, targets, classes=self.classes, mixup=self.recipe.mixup, cutmix=self.recipe.cutmix,
                   generator=generator)

    def _gradients(self, inputs: Tensor, targets: Tensor, total: int) -> Tensor:
        """Forward and backward of this process's rows, part by part; -> their share of the loss.

        Each part counts by its share of the global batch of `total` rows, whatever the sizes, so that the sum over
        parts and processes is the mean over all rows. (Gradients are *averaged* over processes, hence the factor.)
        """
        loss = torch.zeros((), device=self.device)
        parts = min(self.recipe.accumulate, total // self.world.size)  # the same in all processes: they work in step
        pairs = zip(inputs.tensor_split(parts), targets.tensor_split(parts), strict=True)
        for i, (x, y) in enumerate(pairs, start=1):
            x, y = x.to(self.device, non_blocking=True), y.to(self.device, non_blocking=True)
            share = len(x) / total
            with gradients_summed(self.wrapped, i == parts):
                with self._autocast():
                    part = self.loss(self.module, x, y)
                self.scaler.scale(part * (share * self.world.size)).backward()
            loss += share * part.detach()
        return loss

    def _autocast(self) -> AbstractContextManager:
        dtype = AUTOCAST.get(self.recipe.precision)
        return nullcontext() if dtype is None else torch.amp.autocast(self.device.type, dtype)

    def state_dict(self) -> dict:
        """Tensors, numbers and strings, in dicts and lists; what is switched off is an empty dict."""
        return {
            "model": self.model.state_dict(),
            "average": {} if self.average is None else self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": self.history.state_dict(),
            "done": self.done,
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from where `state_dict` was taken, with the same recipe and a model of the same shape."""
        self.model.load_state_dict(state["model"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(dict(state["schedule"]))  # which takes an entry out of it
        self.scaler.load_state_dict(state["scaler"])
        self.history.load_state_dict(state["history"])
        self.done = state["done"]


def cross_entropy(label_smoothing: float) -> Loss:
    """The mean cross-entropy of some rows; in float32, whatever the precision of the model."""
    def loss(module: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(module(inputs).float(), targets, label_smoothing=label_smoothing)

    return loss


def classes_of(model: nn.Module) -> int:
    """How many classes the model tells apart: the outputs of its last linear map. Raises ValueError without one."""
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ValueError(f"{type(model).__name__} has no linear map that could be its head; pass a `loss` of your own")
    return linear[-1].out_features


def averaged(model: nn.Module, decay: float) -> AveragedModel | None:
    """A copy of `model`; weights and running statistics follow: average <- decay * average + (1 - decay) * new."""
    if decay == 0:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
