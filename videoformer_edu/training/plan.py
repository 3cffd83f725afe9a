"""What the options of the command amount to: a recipe, data, a model for it, and how many threads it takes."""

from __future__ import annotations

import argparse
import inspect
import math
import os
from dataclasses import fields, replace

import torch
from torch import nn

from videoformer_edu.models.registry import BUILDERS
from videoformer_edu.pretrained.build import build
from videoformer_edu.training.command import HELP
from videoformer_edu.training.data import TrainingData, find_data
from videoformer_edu.training.distributed import World
from videoformer_edu.training.recipe import Recipe

SMALL = 1_000_000  # parameters; below, a second thread gains 1.2 times at best, and loses ten times on busy cores
KINDS = {"int": (int, "a whole number"), "float": (int | float, "a number"), "bool": (bool, "True or False"),
         "str": (str, "a word")}


def make_plan(options: argparse.Namespace, world: World) -> tuple[Recipe, TrainingData, tuple[int, ...]]:
    """-> recipe, data, and the shape `(c, t, h, w)` of a clip. Raises ValueError for what cannot work."""
    c, frames, size, _ = BUILDERS[options.model].clip
    frames, size = options.frames or frames, options.size or size
    recipe = Recipe(**{field.name: getattr(options, field.name) for field in fields(Recipe) if field.name in HELP},
                    **({} if options.steps is None else {"steps": options.steps}))

    def data_of() -> TrainingData:
        return find_data(options.data, recipe, frames=frames, size=size, pixels=BUILDERS[options.model].pixels,
                         held_out=options.held_out, workers=options.workers, least_area=options.least_area,
                         flip=options.flip, skip_broken=options.skip_broken, part=(world.rank, world.size),
                         pin_memory=world.device.type == "cuda")

    data = data_of() if world.first else None  # what has to be downloaded is downloaded once
    world.from_first(None)
    data = data or data_of()
    seen = world.gather((data.classes, data.digest))
    if other := [rank for rank, clips in enumerate(seen) if clips != seen[0]]:
        raise ValueError(f"process {other[0]} finds other clips or classes under {options.data} than process 0; "
                         "every machine needs the same data")
    if options.epochs is not None:
        recipe = replace(recipe, steps=max(1, math.ceil(options.epochs * data.epoch)))
    return recipe, data, (c, frames, size, size)


def make_model(options: argparse.Namespace, classes: int, shape: tuple[int, ...]) -> nn.Module:
    """The model by its name, made for clips of that shape where its builder can be told so.

    Raises ValueError for settings that it does not have or take.
    """
    changes = {"classes": classes, **options.settings}
    with torch.device("meta"):
        known = inspect.signature(type(BUILDERS[options.model].build())).parameters
    if unknown := sorted(set(options.settings) - set(known)):
        raise ValueError(f"--set: {options.model} has no {', '.join(unknown)}, it has {', '.join(known)}")
    for name, value in options.settings.items():
        kind, words = KINDS.get(known[name].annotation, (object, ""))
        if not isinstance(value, kind) or (isinstance(value, bool) and kind not in (bool, object)):
            raise ValueError(f"--set: {name} is {value!r}; expected {words}")
    for name, given, value in (("frames", options.frames, shape[1]), ("image_size", options.size, shape[2])):
        if given is not None and name in known:
            changes.setdefault(name, value)
    try:
        return build(options.model, pretrained=options.pretrained, new_head=not options.keep_head, **changes)
    except (ArithmeticError, LookupError, RuntimeError, TypeError) as error:
        raise ValueError(f"{options.model} cannot be built with {changes}: {error}") from error


def choose_threads(options: argparse.Namespace, model: nn.Module, world: World) -> str:
    """Set how many threads compute on a CPU; -> that in words, "" on a GPU."""
    if world.device.type != "cpu":
        return ""
    small = sum(p.numel() for p in model.parameters()) < SMALL
    chosen = options.threads is None and small and "OMP_NUM_THREADS" not in os.environ
    if options.threads is not None or chosen:
        torch.set_num_threads(options.threads or 1)
    count = torch.get_num_threads()
    return (f", {count} thread{'s' if count > 1 else ''}"
            + (" (more do not help a small model; --threads)" if chosen else ""))
