"""The recipe and the loop behind every small model: AdamW, warm-up / stable / decay, clipped gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Recipe:
    """How to train. `warm_up` and `decay` are the shares of the steps at which the learning rate has risen to `lr`
    and at which it begins to fall to zero.

    Learning starts late on the motion clips, after a plateau, so the rate stays at its height for long.
    """

    steps: int = 1600
    batch: int = 16
    lr: float = 2e-3
    weight_decay: float = 0.05
    clip: float = 1.0
    warm_up: float = 0.05
    decay: float = 0.7

    def rate(self, step: int) -> float:
        """The learning rate of `step` (0, 1, ..., steps - 1), as a multiple of `lr`; never quite zero."""
        done = step / self.steps
        return max(1e-3, min(done / self.warm_up, 1.0, (1 - done) / (1 - self.decay)))


def make_optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW; matrices, kernels and tables decay, biases and norm scales do not."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.lr)


def fit(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    recipe: Recipe,
    after_step: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train `model` in place, one step for each of the `batches` (inputs, labels `(b,)`); return the losses.

    `after_step(steps done, loss)` is called after each step, for progress and curves. Raises FloatingPointError at
    the first loss that is not finite.
    """
    optimiser = make_optimiser(model, recipe)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, recipe.rate)
    losses = []
    model.train()
    for done, (inputs, labels) in enumerate(batches, start=1):
        loss = F.cross_entropy(model(inputs), labels)
        if not loss.isfinite():
            raise FloatingPointError(f"the loss of step {done} is {loss.item()}; try a lower learning rate "
                                     f"than {recipe.lr:g}, or a longer warm-up")
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if after_step is not None:
            after_step(done, losses[-1])
    return losses
