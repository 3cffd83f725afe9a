"""The model at step 0: freshly drawn, or with weights that another experiment has left."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from experiments.experiment import Experiment
from experiments.time_first import time_first
from videoformer_edu.models import FrameProbe, VideoMAEPretraining, ViT
from videoformer_edu.positions import sincos_time
from videoformer_edu.pretrained.build import build
from videoformer_edu.pretrained.inflate import image_to_video
from videoformer_edu.training.step import Run

AfterStep = Callable[[Run], None]


def fresh_model(experiment: Experiment) -> nn.Module:
    """The model of an experiment, drawn from torch's global random state."""
    return build(experiment.model, **experiment.changes)


def first_model(experiment: Experiment, seed: int,
                state: dict[str, Tensor] | None) -> tuple[nn.Module, list[AfterStep]]:
    """What training starts with, and what is to be done after each of its steps.

    `state` are the weights of the experiment that this one starts from.
    """
    torch.manual_seed(seed)
    model = fresh_model(experiment)
    if experiment.start is not None:
        begin_from(model, fresh_model(experiment.start), state)
    after_step = [PREPARATIONS[name](model) for name in experiment.prepare]
    return model, [step for step in after_step if step is not None]


def begin_from(model: nn.Module, other: nn.Module, state: dict[str, Tensor]) -> None:
    """Give `model`, in place, what it can use of `other` with the weights `state`.

    A ViT is inflated, or is the frozen image model of a probe; of VideoMAE's pretraining the encoder is kept; a model
    of the same kind hands over everything.
    """
    other.load_state_dict(state)
    if isinstance(model, FrameProbe):
        model.image.load_state_dict(other.state_dict())
    elif isinstance(other, ViT):
        image_to_video(other, model)
    elif isinstance(other, VideoMAEPretraining):
        model.encoder.load_state_dict(other.encoder.state_dict())
    else:
        model.load_state_dict(other.state_dict())


@torch.no_grad()
def sincos_positions_in_time(model: nn.Module) -> None:
    """Inflation leaves the frames without a place in time; this gives them the start that a fresh model has."""
    table = model.time_positions.table
    table.copy_(sincos_time(*table.shape))


def decay_everything(model: nn.Module) -> AfterStep:
    """Weight decay acts on norms, biases, positions and CLS, too (the ablation: `recipe.decayed` spares them)."""
    def after_step(run: Run) -> None:
        for group in run.optimiser.param_groups:
            group["weight_decay"] = run.recipe.weight_decay

    return after_step


# Each changes a model before its training, and may return what is to be called after each step.
PREPARATIONS: dict[str, Callable[[nn.Module], AfterStep | None]] = {
    "sincos_time": sincos_positions_in_time,
    "time_first": time_first,
    "decay_everything": decay_everything,
}
