"""All that is decided before a run starts, as one value that can be printed, stored and compared.

    recipe = Recipe(steps=1600, batch=16, lr=2e-3)
    optimiser = make_optimiser(model, recipe)
    schedule = make_schedule(optimiser, recipe)
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass, fields

import torch
from torch import nn

from videoformer_edu.models.blocks import layer_ids
from videoformer_edu.positions import JointPositions, SpacePositions, TimePositions

SCHEDULES = ("cosine", "stable")
PRECISIONS = ("fp32", "bf16", "fp16")
MOST = 2**40  # the seed of a step is a million times the run's and the step, and has to fit into 64 bits
LEAST_RATE = 1e-3  # the rate is never quite zero: every step teaches something


@dataclass(frozen=True)
class Recipe:
    """How to train. Shares are of 1; 0 turns off what is optional. Raises ValueError for what cannot work.

    steps, batch: `batch` is the global batch of a step, over all processes and all accumulated parts.
    lr, betas, weight_decay: of AdamW. clip: the largest norm of the whole gradient.
    schedule: "cosine" rises linearly over the first `warm_up` of the steps and then falls along half a cosine;
    "stable" rises likewise, stays, and falls linearly to zero from the share `decay` of the steps on. Where learning
    starts late, after a plateau, a cosine has fallen too soon.
    label_smoothing: the share of a target that is spread over all classes. mixup, cutmix: alpha of the Beta
    distribution that the mixing weight is drawn from (arXiv:1710.09412, arXiv:1905.04899).
    layer_decay: the learning rate of each layer is that of the next one times this (BEiT, arXiv:2106.08254); 1 is off.
    ema: decay of the moving average of the weights, which is what gets evaluated.
    precision: "fp32", or autocast to "bf16" or "fp16". accumulate: forward and backward passes per step.
    compile: torch.compile. checkpointing: keep no activations inside the blocks, compute them again when needed.
    """

    steps: int = 1600
    batch: int = 16
    lr: float = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.05
    clip: float = 1.0
    schedule: str = "cosine"
    warm_up: float = 0.05
    decay: float = 0.7
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    layer_decay: float = 1.0
    ema: float = 0.0
    precision: str = "fp32"
    accumulate: int = 1
    compile: bool = False
    checkpointing: bool = False
    seed: int = 0

    def __post_init__(self):
        if isinstance(self.betas, list):
            object.__setattr__(self, "betas", tuple(self.betas))  # JSON knows lists only
        check_recipe(self)

    def rate(self, step: int) -> float:
        """The learning rate of `step` (0, 1, ..., steps - 1), as a multiple of `lr`; never quite zero."""
        done = step / self.steps
        if self.schedule == "stable":
            return max(LEAST_RATE, min(done / self.warm_up, 1.0, (1 - done) / (1 - self.decay)))
        if done < self.warm_up:
            return max(LEAST_RATE, done / self.warm_up)
        return max(LEAST_RATE, (1 + math.cos(math.pi * (done - self.warm_up) / (1 - self.warm_up))) / 2)

    def to_dict(self) -> dict:
        """Plain numbers and strings only, the same after a journey through JSON."""
        return {**asdict(self), "betas": list(self.betas)}

    @classmethod
    def from_dict(cls, values: dict) -> Recipe:
        """The recipe of `to_dict`. Raises ValueError for names that no recipe has."""
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise ValueError(f"a recipe has no {', '.join(unknown)}; it has {', '.join(known)}")
        return cls(**values)

    def __str__(self) -> str:
        return json.dumps(self.to_dict())


def check_recipe(recipe: Recipe) -> None:
    """Raise ValueError for the first entry of `recipe` that cannot work."""
    def need(name: str, fine: bool, expected: str) -> None:
        if not fine:
            raise ValueError(f"{name} is {getattr(recipe, name)!r}; expected {expected}")

    def number(name: str, least: float, most: float = math.inf, *, open_ends: str = "") -> None:
        """`open_ends` names the ends that are not allowed themselves: "least", "most" or both."""
        value = getattr(recipe, name)
        need(name, isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
             and (value > least if "least" in open_ends else value >= least)
             and (value < most if "most" in open_ends else value <= most),
             f"a number {'above' if 'least' in open_ends else 'from'} {least:g}"
             + ("" if most == math.inf else f" {'to below' if 'most' in open_ends else 'to'} {most:g}"))

    for name, least in (("steps", 1), ("batch", 1), ("accumulate", 1), ("seed", 0)):
        value = getattr(recipe, name)
        need(name, isinstance(value, int) and not isinstance(value, bool) and value >= least,
             f"a whole number, at least {least}")
    for name, least in (("steps", 1), ("seed", 0)):
        need(name, getattr(recipe, name) <= MOST, f"a whole number from {least} to {MOST}")
    for name in ("lr", "weight_decay", "clip", "mixup", "cutmix"):
        number(name, 0, open_ends="least" if name == "lr" else "")
    for name in ("label_smoothing", "ema"):
        number(name, 0, 1, open_ends="most")
    number("layer_decay", 0, 1, open_ends="least")
    number("decay", 0, 1, open_ends="most")
    number("warm_up", 0, 1, open_ends="least most" if recipe.schedule == "stable" else "most")
    need("betas", isinstance(recipe.betas, tuple) and len(recipe.betas) == 2
         and all(isinstance(beta, int | float) and 0 <= beta < 1 for beta in recipe.betas),
         "two numbers from 0 to below 1")
    need("schedule", recipe.schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}")
    need("precision", recipe.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}")
    for name in ("compile", "checkpointing"):
        need(name, isinstance(getattr(recipe, name), bool), "True or False")
    need("accumulate", recipe.accumulate <= recipe.batch, f"no more parts than a batch has examples, {recipe.batch}")


# ------------------------------------------------------------------------------------------------- weight decay

# Weight decay pulls towards zero, which says "no effect" for a weight of a linear map or a convolution only. A norm's
# scale, a bias, a place's or a token's own vector are no such weights.
NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm)
TABLES = (SpacePositions, TimePositions, JointPositions)  # relative distances are a kind of `TimePositions`
NAMES = re.compile(r"(^|\.)(cls|cls_token|mask_token|\w*positions|pos_embed|\w*bias|\w*bias_table)(\.|$)")


def decayed(model: nn.Module) -> dict[str, bool]:
    """For each parameter's name: does weight decay act on it?"""
    def acts_on(name: str, parameter: nn.Parameter) -> bool:
        owner = model.get_submodule(name.rpartition(".")[0])
        return parameter.ndim > 1 and not isinstance(owner, NORMS + TABLES) and not NAMES.search(name)

    return {name: acts_on(name, parameter) for name, parameter in model.named_parameters()}


def parameter_groups(model: nn.Module, recipe: Recipe) -> list[dict]:
    """Every parameter once, in groups for an optimiser: "params", "weight_decay" and "lr".

    One group that decays and one that does not; with `layer_decay`, two for each layer, where the learning rate of
    layer i is lr * layer_decay ** (last - i). Raises ValueError for a model whose layers are in no one order.
    """
    acts = decayed(model)
    layers = layer_ids(model) if recipe.layer_decay < 1 else dict.fromkeys(acts, 0)
    last, groups = max(layers.values()), {}
    for name, parameter in model.named_parameters():
        groups.setdefault((layers[name], not acts[name]), []).append(parameter)
    return [{"params": parameters, "weight_decay": 0.0 if spared else recipe.weight_decay,
             "lr": recipe.lr * recipe.layer_decay ** (last - layer)}
            for (layer, spared), parameters in sorted(groups.items(), key=lambda item: item[0])]


def make_optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW over `parameter_groups`."""
    return torch.optim.AdamW(parameter_groups(model, recipe), lr=recipe.lr, betas=recipe.betas)


def make_schedule(optimiser: torch.optim.Optimizer, recipe: Recipe) -> torch.optim.lr_scheduler.LambdaLR:
    """The learning rate of every group follows `recipe.rate`; to be stepped after each step."""
    return torch.optim.lr_scheduler.LambdaLR(optimiser, recipe.rate)
