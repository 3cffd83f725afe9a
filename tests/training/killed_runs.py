"""Trains a tiny model in processes that are killed, again and again, and says what became of it (as JSON).

    python killed_runs.py FOLDER KILLS

This process imports torch once and forks; a child is a training run like any other, except that it writes slowly, so
that a kill at a random moment often falls into the writing, and notes in shared memory what it is doing.
"""

import json
import mmap
import os
import random
import signal
import sys
import time
import warnings

import numpy as np
import torch

from videoformer_edu.data.motion import batch_seed, motion_batch
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.models import timesformer_motion
from videoformer_edu.training import checkpoint, files
from videoformer_edu.training.loop import fit
from videoformer_edu.training.recipe import Recipe
from videoformer_edu.training.resume import Checkpoints

RECIPE = Recipe(steps=60, batch=3, accumulate=2, ema=0.9, mixup=0.4, cutmix=1.0, label_smoothing=0.1, seed=3)
EVERY = 3
PHASES = ("starting", "training", "writing", "before fsync", "before the rename", "after the rename", "removing",
          "done")
note = mmap.mmap(-1, 16)  # what the child does: phase, steps done, the step that it started after (+ 1)


def phase(name: str) -> None:
    note[0] = PHASES.index(name)
    if name == suicide:
        os.kill(os.getpid(), signal.SIGKILL)


def slowed(place, name: str, before: str, seconds: float) -> None:
    """`place.name` says what comes and takes a while longer."""
    real = getattr(place, name)

    def slow(*arguments, **options):
        phase(before)
        time.sleep(seconds)
        return real(*arguments, **options)

    setattr(place, name, slow)


def source(start: int):
    for step in range(start, RECIPE.steps):
        clips = motion_batch(RECIPE.batch, seed=batch_seed(RECIPE.seed, step))
        yield normalise(clips.clips, MOTION_PIXELS), clips.direction


def tiny() -> torch.nn.Module:
    torch.manual_seed(RECIPE.seed)
    return timesformer_motion(width=16, depth=2, heads=2, drop_path=0.3)


def child(folder: str) -> None:
    slowed(checkpoint._Digesting, "write", "writing", 0.0002)
    slowed(os, "fsync", "before fsync", 0.005)
    slowed(os, "replace", "before the rename", 0.005)
    slowed(files, "sync_folder", "after the rename", 0.005)
    slowed(os, "unlink", "removing", 0.005)

    for seed in (random.seed, np.random.seed):  # nothing draws from them here; that they are kept is part of the test
        seed(RECIPE.seed)

    class Noted(Checkpoints):
        def restore(self, run):
            super().restore(run)
            note[2] = run.done + 1

    def after_step(run):
        phase("training")
        note[1] = run.done

    fit(tiny(), source, RECIPE, after_step=after_step,
        checkpoints=Noted(folder, every=EVERY, about={"model": "tiny"}, log=lambda line: None))
    note[0] = PHASES.index("done")


def run(folder: str, steps: int | None = None, seconds: float = 0.0, at: str = "") -> dict:
    """A child that is killed `seconds` after it has done `steps` steps, or kills itself `at` a phase; how far it came.

    Counted in steps, since a busy machine would otherwise kill every child before its first one.
    """
    global suicide
    suicide = at
    note[:3] = bytes(3)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            child(folder)
            code = 0
        finally:
            os._exit(code)
    if steps is not None:
        while steps and PHASES[note[0]] != "done" and (note[2] == 0 or note[1] < note[2] - 1 + steps):
            time.sleep(0.001)
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return {"killed": os.WIFSIGNALED(status), "code": os.waitstatus_to_exitcode(status), "phase": PHASES[note[0]],
            "done": note[1], "began_after": note[2] - 1}


def warm_up() -> None:
    """What a child would do first, once for all of them: draw pictures for the clips, import what is imported late."""
    inputs, _ = next(iter(source(0)))
    model = tiny()
    model(inputs)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    torch.optim.AdamW(model.parameters()).step()


def main(folder: str, kills: int) -> None:
    warnings.simplefilter("error")
    torch.set_num_threads(1)  # a process may fork safely while it has one thread
    chance = random.Random(0)
    warm_up()
    undisturbed = run(f"{folder}/undisturbed")
    runs = [run(f"{folder}/killed", at=name) for name in PHASES[1:-1] for _ in range(2)]
    runs += [run(f"{folder}/killed", steps=chance.randint(0, 4), seconds=chance.uniform(0, 0.06)) for _ in range(kills)]
    runs.append(run(f"{folder}/killed"))
    print(json.dumps({"undisturbed": undisturbed, "runs": runs}))


suicide = ""
if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
