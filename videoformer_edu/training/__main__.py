"""`python -m videoformer_edu.training`: train a model by name; the same line under torchrun, and after a crash."""

from __future__ import annotations

import argparse
import json
import os
import sys

import torch

from videoformer_edu.data.video.decoding import ClipError
from videoformer_edu.training.checkpoint import ResumeError, checkpoints
from videoformer_edu.training.command import check_options, in_options, parser
from videoformer_edu.training.distributed import World
from videoformer_edu.training.loop import fit
from videoformer_edu.training.plan import choose_threads, make_model, make_plan
from videoformer_edu.training.results import (
    clips_at_once,
    evaluate_together,
    keep_results,
    rescue_weights,
    try_destinations,
)
from videoformer_edu.training.resume import Checkpoints
from videoformer_edu.training.step import Run
from videoformer_edu.training.stopping import Terminated, Termination
from videoformer_edu.training.watching import watched

LINES = 20  # about so many lines on the way, where there is no bar
# What is said in one line, without the way that led there: each of these messages says what to do.
EXPECTED = (ValueError, TypeError, RuntimeError, ArithmeticError, MemoryError, ClipError, ResumeError, OSError)


class ResultError(Exception):
    """Training is done, and something after it failed; the message says where the weights are."""


def main(argv: list[str] | None = None) -> int:
    """Train; 0 when all went well, 1 when something stopped the run, 130 for Ctrl-C, 143 for SIGTERM.

    Bad options leave with 2, as argparse does.
    """
    top = parser()
    options = top.parse_args(argv)
    check_options(top, options)
    rank, end, threads = 0, Termination(), torch.get_num_threads()
    try:
        with end, World.joined(options.device, shard=options.shard) as world:
            rank = world.rank
            train(top, options, world, end)
    except (KeyboardInterrupt, Terminated) as error:
        return stopped(options, 130 if isinstance(error, KeyboardInterrupt) else 143)
    except (*EXPECTED, ResultError) as error:
        if end.asked:  # the processes of the loader were ended, too, and that came first
            return stopped(options, 143)
        who = "error" if rank == 0 else f"process {rank}: error"
        print(f"{who}: {in_options(str(error))}", file=sys.stderr, flush=True)
        return 1
    finally:
        torch.set_num_threads(threads)
    return 0


def stopped(options: argparse.Namespace, status: int) -> int:
    """Somebody ended the run: say what there is of it."""
    kept = checkpoints(options.checkpoints) if options.checkpoints else []
    left = f"the same line goes on from {kept[0]}" if kept else "there is no checkpoint of it"
    print(f"stopped: {left}", file=sys.stderr, flush=True)
    return status


def train(top: argparse.ArgumentParser, options: argparse.Namespace, world: World, end: Termination) -> None:
    """One run from its options to its results."""
    def say(line: str) -> None:
        if world.first:
            print(line, flush=True)

    try:
        recipe, data, shape = make_plan(options, world)
        torch.manual_seed(recipe.seed)
        model = make_model(options, len(data.classes), shape)
        world.together(lambda: try_destinations(options, model))
    except ValueError as error:
        top.error(in_options(str(error)))
    threads = choose_threads(options, model, world)
    about = {"model": options.model, "options": options.settings, "clip": shape, "pixels": data.pixels,
             "data": options.data, "digest of its clips": data.digest, "classes": list(data.classes),
             "pretrained": options.pretrained}
    numbers = sum(p.numel() for p in model.parameters())
    say(f"model   {options.model} {json.dumps(options.settings) if options.settings else ''}".rstrip()
        + f" ({numbers:,} parameters), clips {' x '.join(map(str, shape))}")
    say(f"data    {data}")
    say(f"recipe  {recipe}")
    say(f"runs on {world}{threads}")
    world.check_batch(recipe.batch, recipe.accumulate)
    keeper = None
    if options.checkpoints is not None:
        keeper = Checkpoints(options.checkpoints, every=options.every, about=about, source=options.resume, log=say)

    run, every = None, max(1, recipe.steps // LINES)

    def after_step(current: Run) -> None:
        nonlocal run
        run = current
        if (run.done % every == 0 or run.done == recipe.steps) and not watched():
            row = run.history.rows[-1]
            say(f"step {run.done:6d} / {recipe.steps}  loss {row['loss']:.4f}  lr {row['lr']:.2e}")
        if end.asked and run.done < recipe.steps:
            if keeper is not None:
                keeper.save(run)
            end.check()

    failures = []
    with end.patience():
        try:
            history = fit(model, data.source, recipe, world=world, after_step=after_step, checkpoints=keeper, bar=True)
        except ResumeError as error:
            if run is None or run.done < recipe.steps:
                raise
            model, history = run.result, run.history  # the last checkpoint failed; they are not lost with it
            place = "" if options.out else f"; the trained weights are in {rescue_weights(model, about, world)}"
            failures.append(f"{error}{place}")
        if broken := {path: why for part in world.gather(dict(data.broken)) for path, why in part.items()}:
            say(f"skipped {len(broken)} broken videos: {'; '.join(list(broken.values())[:3])}"
                + (f"; and {len(broken) - 3} more" if len(broken) > 3 else ""))
        about["recipe"] = recipe.to_dict()
        failures += keep_results(options, model, history, about, world, say)
    if options.evaluate:
        try:
            found = evaluate_together(model, data, world,
                                      clips_at_once(recipe.batch, recipe.accumulate, world.size))
            say(f"held out, {found.pop('examples')} clips: "
                + ", ".join(f"{name} {value:.1%}" if name != "loss" else f"loss {value:.4f}"
                            for name, value in found.items()))
        except EXPECTED as error:
            failures.append(f"the evaluation failed: {error}")
            if len(failures) == 1:  # what failed before has said where they are
                where = options.out or options.checkpoints or rescue_weights(model, about, world)
                failures.append(f"training itself is done, its weights are in {where}")
    if failures:
        raise ResultError("; ".join(failures))


if __name__ == "__main__":
    status = main()
    if status and torch.distributed.is_torchelastic_launched():  # the end, which may not wait for other processes
        sys.stdout.flush()
        os._exit(status)
    sys.exit(status)
