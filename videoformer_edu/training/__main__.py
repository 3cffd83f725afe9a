"""`python -m videoformer_edu.training`: train a model by name; the same line under torchrun, and after a crash."""

from __future__ import annotations

import argparse
import inspect
import json
import math
import os
import sys
from dataclasses import fields
from pathlib import Path

import torch
from torch import nn

from videoformer_edu.data.video.decoding import ClipError
from videoformer_edu.pretrained.build import BUILDERS, build
from videoformer_edu.training.checkpoint import ResumeError
from videoformer_edu.training.command import CLIPS, HELP, check, parser
from videoformer_edu.training.data import Material, evaluate_together, find_material
from videoformer_edu.training.distributed import World, whole
from videoformer_edu.training.loop import fit
from videoformer_edu.training.progress import watched
from videoformer_edu.training.recipe import Recipe
from videoformer_edu.training.resume import Checkpoints
from videoformer_edu.training.step import Run

LINES = 20  # about so many lines on the way, where there is no bar
# What is said in one line, without the way that led there: each of these messages says what to do.
EXPECTED = (ValueError, TypeError, RuntimeError, ArithmeticError, MemoryError, ClipError, ResumeError, OSError)


def main(argv: list[str] | None = None) -> int:
    """Train; 0 when all went well, 1 when something stopped the run, 130 when somebody did.

    Bad options leave with 2, as argparse does.
    """
    top = parser()
    options = top.parse_args(argv)
    check(top, options)
    rank = 0
    try:
        with World.joined(options.device, shard=options.shard) as world:
            rank = world.rank
            train(top, options, world)
    except KeyboardInterrupt:
        print("stopped" + (": the same line goes on from the newest checkpoint" if options.checkpoints else ""),
              file=sys.stderr, flush=True)
        return 130
    except EXPECTED as error:
        who = "error" if rank == 0 else f"process {rank}: error"
        print(f"{who}: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def train(top: argparse.ArgumentParser, options: argparse.Namespace, world: World) -> None:
    """One run from its options to its results."""
    def say(line: str) -> None:
        if world.first:
            print(line, flush=True)

    recipe, material, shape = plan(top, options, world)
    torch.manual_seed(recipe.seed)
    model = make_model(top, options, len(material.classes), shape)
    about = {"model": options.model, "options": options.settings, "clip": shape, "data": options.data,
             "classes": list(material.classes), "pretrained": options.pretrained}
    numbers = sum(p.numel() for p in model.parameters())
    say(f"model   {options.model} {json.dumps(options.settings) if options.settings else ''}".rstrip()
        + f" ({numbers:,} parameters), clips {' x '.join(map(str, shape))}")
    say(f"data    {material}")
    say(f"recipe  {recipe}")
    say(f"runs on {world}")
    world.check_batch(recipe.batch, recipe.accumulate)
    checkpoints = None
    if options.checkpoints is not None:
        checkpoints = Checkpoints(options.checkpoints, every=options.every, about=about, source=options.resume, log=say)

    every = max(1, recipe.steps // LINES)

    def after_step(run: Run) -> None:
        if (run.done % every == 0 or run.done == recipe.steps) and not watched():
            row = run.history.rows[-1]
            say(f"step {run.done:6d} / {recipe.steps}  loss {row['loss']:.4f}  lr {row['lr']:.2e}")

    history = fit(model, material.source, recipe, world=world, after_step=after_step, checkpoints=checkpoints, bar=True)
    if options.evaluate:
        result = evaluate_together(model, material, world)
        say(f"held out, {result.pop('examples')} clips: "
            + ", ".join(f"{name} {value:.1%}" if name != "loss" else f"loss {value:.4f}"
                        for name, value in result.items()))
    if options.out is not None:
        save_weights(model, options.out, {**about, "recipe": recipe.to_dict()}, world)
        say(f"weights -> {options.out}")
    if options.history is not None and world.first:
        history.save(options.history)
        say(f"history -> {options.history}")


def plan(top: argparse.ArgumentParser, options: argparse.Namespace, world: World
         ) -> tuple[Recipe, Material, tuple[int, ...]]:
    """What the options amount to: recipe, material, and the shape `(c, t, h, w)` of a clip."""
    c, frames, size, _ = CLIPS[options.model]
    frames, size = options.frames or frames, options.size or size
    values = {field.name: getattr(options, field.name) for field in fields(Recipe) if field.name in HELP}

    def material_of(recipe: Recipe) -> Material:
        return find_material(options.data, recipe, frames=frames, size=size, held_out=options.held_out,
                             workers=options.workers, least_area=options.least_area, flip=options.flip,
                             skip_broken=options.skip_broken,
                             part=(world.rank, world.size), pin_memory=world.device.type == "cuda")

    try:
        recipe = Recipe(**values, **({} if options.steps is None else {"steps": options.steps}))
        if world.first:  # what has to be downloaded is downloaded once
            material_of(recipe)
        world.from_first(None)
        material = material_of(recipe)
        if options.epochs is not None:
            recipe = Recipe(**values, steps=max(1, math.ceil(options.epochs * material.epoch)))
            material = material_of(recipe)
    except ValueError as error:
        top.error(str(error))
    return recipe, material, (c, frames, size, size)


def make_model(top: argparse.ArgumentParser, options: argparse.Namespace, classes: int, shape: tuple[int, ...]
               ) -> nn.Module:
    """The model by its name, made for clips of that shape where its builder can be told so."""
    changes = {"classes": classes, **options.settings}
    with torch.device("meta"):
        known = inspect.signature(type(BUILDERS[options.model]())).parameters
    for name, given, value in (("frames", options.frames, shape[1]), ("image_size", options.size, shape[2])):
        if given is not None and name in known:
            changes.setdefault(name, value)
    try:
        return build(options.model, pretrained=options.pretrained, new_head=not options.keep_head, **changes)
    except (TypeError, ValueError) as error:
        unknown = sorted(set(options.settings) - set(known))
        hint = f"; --set: {options.model} has no {', '.join(unknown)}, it has {', '.join(known)}" if unknown else ""
        top.error((hint or f"; {error}").removeprefix("; "))


def save_weights(model: nn.Module, path: Path, about: dict, world: World) -> None:
    """The weights as safetensors, and in its header, as JSON, how they came about."""
    from safetensors.torch import save_file

    state = {name: tensor.contiguous() for name, tensor in whole(model.state_dict()).items()}
    if world.first:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(state, path, metadata={"training": json.dumps(about)})


if __name__ == "__main__":
    status = main()
    if status and torch.distributed.is_torchelastic_launched():  # the end, which may not wait for other processes
        sys.stdout.flush()
        os._exit(status)
    sys.exit(status)
