"""Trains with all processes of a torchrun, in several ways one after the other; the first process writes what it saw.

    python -m torch.distributed.run --standalone --nproc-per-node 2 --max-restarts 1 distributed_runs.py FOLDER OPTIONS

First the training command with these options. One process is killed on the way; torchrun starts both again, the command
goes on, and then comes all the rest: so many processes are started only once.
The test imports `train` and does the same in one process.
"""

import json
import os
import signal
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import torch

from videoformer_edu.data.motion import batch_seed, motion_batch
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.models import c3d_motion, timesformer_motion
from videoformer_edu.training.__main__ import main as command
from videoformer_edu.training.distributed import World, gradients_summed, spread_like, whole
from videoformer_edu.training.loop import fit
from videoformer_edu.training.recipe import Recipe
from videoformer_edu.training.resume import Checkpoints
from videoformer_edu.training.step import Run

PLAIN = Recipe(steps=6, batch=6, lr=5e-3)
EVEN_MORE = replace(PLAIN, ema=0.8, mixup=0.5, label_smoothing=0.1, layer_decay=0.7)
# 7 rows in 2 processes are 4 and 3; in 3 parts they are 2 + 1 + 1 and 1 + 1 + 1
UNEVEN = replace(EVEN_MORE, batch=7, accumulate=3)
CASES = {"plain": PLAIN, "even more": EVEN_MORE, "uneven": UNEVEN, "again": replace(UNEVEN, checkpointing=True)}


KILLED_AFTER = 7  # steps of the command


class PowerCut(Exception):
    pass


def die_on_the_way() -> None:
    """This process is killed in the middle of the command, as if from outside: nothing of it is tidied up."""
    step = Run.step

    def last(run, batch):
        if run.done == KILLED_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(run, batch)

    Run.step = last


def tiny(**changes):
    torch.manual_seed(1)
    return timesformer_motion(**{**dict(width=16, depth=2, heads=2), **changes})


def train(recipe, world, *, folder=None, until=None, model=None, spoil=False):
    """-> losses, and the trained weights as they would be stored."""
    def source(start):
        for step in range(start, recipe.steps):
            clips = motion_batch(recipe.batch, seed=batch_seed(recipe.seed, step))
            inputs = normalise(clips.clips, MOTION_PIXELS)
            if spoil and step == 2:
                inputs[1] = float("nan")  # a row of the second process
            yield inputs, clips.direction

    def after_step(run):
        if run.done == until:
            raise PowerCut

    model = model or tiny()
    checkpoints = None if folder is None else Checkpoints(folder, every=2, log=lambda line: None)
    try:
        history = fit(model, source, recipe, world=world, after_step=after_step, checkpoints=checkpoints)
    except PowerCut:
        return None
    return history.losses, whole(model.state_dict())


def seeded(builder):
    torch.manual_seed(1)
    return builder()


def reductions(world) -> list[bool]:
    """For each of three micro-batches: are gradients the same in both processes after its backward pass?"""
    run = Run(tiny(), PLAIN, world=world)
    seen = []
    for summed in (False, False, True):
        inputs = torch.randn(1, 3, 8, 32, 32, generator=torch.Generator().manual_seed(world.rank))
        with gradients_summed(run.module, summed):
            run.module(inputs).square().sum().backward()
        norms = world.gather(run.model.head.weight.grad.norm().item())
        seen.append(norms[0] == norms[1])
    return seen


def message(work) -> str:
    """What `work` is refused with."""
    try:
        work()
    except (FloatingPointError, ValueError) as error:
        return str(error)
    return ""


def main(folder: Path, options: list[str]) -> None:
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    if (os.environ["TORCHELASTIC_RESTART_COUNT"], os.environ["RANK"]) == ("0", "1"):
        die_on_the_way()
    if status := command(options):
        os._exit(status)  # as the command does: an orderly end would wait for the process that was killed
    os.environ["TORCHELASTIC_RESTART_COUNT"] += ", second world"  # which has addresses of its own, as after a restart
    with World.joined("cpu") as world:
        spread = replace(world, shard=True)
        losses, weights = {}, {}
        for case, recipe in CASES.items():
            for kind, one in (("DDP", world), ("FSDP2", spread)):
                losses[f"{case}, {kind}"], weights[f"{case}, {kind}"] = train(recipe, one)

        # Stochastic depth differs from process to process, and goes on in each of them.
        train(EVEN_MORE, world, folder=folder / "cut", until=5, model=tiny(drop_path=0.5))
        for case in ("cut", "whole"):
            losses[case], weights[case] = train(EVEN_MORE, world, folder=folder / case, model=tiny(drop_path=0.5))

        # What a model in parts leaves, a whole one goes on from; and the other way round.
        train(EVEN_MORE, spread, folder=folder / "parts", until=5)
        losses["parts to whole"], _ = train(EVEN_MORE, world, folder=folder / "parts")
        train(EVEN_MORE, world, folder=folder / "copies", until=5)
        losses["whole to parts"], _ = train(EVEN_MORE, spread, folder=folder / "copies")

        losses["batch norm"], _ = train(PLAIN, world, model=seeded(c3d_motion))
        table = torch.arange(17.0 * 16).reshape(17, 16)
        model = tiny()
        spread.wrap(model)
        seen = {
            "losses": losses, "text": str(spread), "backend": torch.distributed.get_backend(),
            "nan": world.gather(message(lambda: train(PLAIN, world, spoil=True))),
            "small": world.gather(message(lambda: train(replace(PLAIN, batch=1), world))),
            "reductions": reductions(world),
            "rows": world.gather(world.rows(torch.arange(7)).tolist()),
            "total": world.total(torch.tensor(10.0 ** world.rank)).item(),
            "first": world.gather(world.from_first(f"from {world.rank}")),
            "part": list(model.space_positions.table.to_local().shape),
            "put together": torch.equal(whole(spread_like(table, model.space_positions.table)), table),
        }
        if world.first:
            (folder / "seen.json").write_text(json.dumps(seen))
            torch.save(weights, folder / "weights.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
