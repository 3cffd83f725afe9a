"""A run that was stopped goes on from its folder of checkpoints, and only where it is the same run.

    checkpoints = Checkpoints("runs/motion", every=200, about={"model": "timesformer_motion", "data": "motion"})
    fit(model, source, recipe, checkpoints=checkpoints)     # run it again after a crash: the same line

What has to agree with the checkpoint: the entries of `about`, the model's tensors, and the recipe. The recipe may
differ in how a step is computed (`COMPUTED`), which changes the last digits at most; and in `steps` while the learning
rate of the "stable" schedule stands on its plateau, in both the old and the new recipe: a run may be made longer or
shorter there. A cosine depends on the number of steps from the first one on.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from videoformer_edu.training.checkpoint import (
    ResumeError,
    load,
    newest,
    random_state,
    restore_random_state,
    save,
)
from videoformer_edu.training.distributed import spread_like, whole
from videoformer_edu.training.lock import FolderLock
from videoformer_edu.training.recipe import Recipe
from videoformer_edu.training.step import Run

COMPUTED = ("accumulate", "checkpointing", "compile")


class Checkpoints:
    """Where a run keeps its state: a checkpoint in `folder` after `every` steps and after the last.

    about: what the run is, beside its recipe (model, data, ...): plain values that are stored and have to agree.
    source: a checkpoint to go on from instead of the newest in the folder. log takes a line now and then.
    """

    def __init__(self, folder: str | Path, *, every: int = 200, about: dict | None = None,
                 source: str | Path | None = None, log: Callable[[str], None] = print):
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(f"every is {every!r}; expected a whole number of steps, at least 1")
        self.folder, self.every, self.about, self.source = Path(folder), every, about or {}, source
        self.log, self.last, self.lock = log, None, FolderLock(Path(folder))

    def restore(self, run: Run) -> None:
        """Put `run` where the newest checkpoint is; nothing happens if there is none. The folder is then this run's.

        Raises ResumeError if none can be read, if the newest is that of another run, or if another run has the folder.
        """
        self.last = run.recipe.steps
        path = run.world.together(self._begin)
        if path is None:
            return
        state = notes = fault = None
        try:
            with _in_words(path):
                state = load(path)
                notes = check_same_run(state, run.recipe, self.about, run.model)
                generators = state["rng"]
        except ResumeError as error:
            fault = error
        faults = [error for error in run.world.gather(fault) if error]
        if faults:  # all of them end here, and none waits for the others
            raise fault or faults[0]
        with _in_words(path):
            run.load_state_dict(_laid_out(state["run"], run))
            if len(generators) == run.world.size:
                restore_random_state(generators[run.world.rank])
            else:
                torch.manual_seed(run.recipe.seed + 1_000_003 * run.done + run.world.rank)
                notes.append(f"{len(generators)} processes before, {run.world.size} now: dropout draws other numbers")
        if run.world.first:
            self.log(f"going on after step {run.done} of {run.recipe.steps} ({self.folder})")
            for note in notes:
                self.log(f"note: {note}")

    def _begin(self) -> str | Path | None:
        """Take the folder, and only then look into it; -> the checkpoint to go on from."""
        try:
            holder = self.lock.acquire(self.log)
        except OSError as error:
            raise ResumeError(f"{self.folder} cannot hold checkpoints ({error.strerror or error})") from error
        if holder:
            raise ResumeError(f"{self.folder} is in use by another run, {holder}: let it end, or give this run a "
                              "folder of its own")
        return self.source or newest(self.folder, self.log)

    def due(self, done: int) -> bool:
        """After `done` steps: is it time to save?"""
        return done % self.every == 0 or done == self.last

    def save(self, run: Run) -> None:
        """Write the state of `run`; all processes call this, the first one writes. Raises ResumeError in all."""
        state = {
            "run": whole(run.state_dict()),
            "rng": run.world.gather(random_state()),
            "recipe": run.recipe.to_dict(),
            "about": {**_plain(self.about), "versions": versions()},
        }
        run.world.together(lambda: save(self.folder, run.done, state))

    def close(self) -> None:
        """Leave the folder to other runs."""
        self.lock.release()


def check_same_run(state: dict, recipe: Recipe, about: dict, model: nn.Module) -> list[str]:
    """Whether the checkpoint `state` is one of this run; -> what differs and may differ, in words.

    Raises ResumeError that names what differs and may not.
    """
    then, now = state["about"], _plain(about)
    for name in sorted((then.keys() | now.keys()) - {"versions"} if now else ()):
        if then.get(name) != now.get(name):
            raise _other_run(state, name, then.get(name), now.get(name))
    notes, before, after = [], state["recipe"], recipe.to_dict()
    for name in after:
        old, new = before.get(name), after[name]
        if old == new:
            continue
        if name in COMPUTED:
            notes.append(f"{name} was {old}, now {new}: from here on the last digits can differ")
        elif name == "steps" and on_plateau(Recipe.from_dict({**before, "steps": new}), state["step"]) and on_plateau(
                Recipe.from_dict(before), state["step"]):
            notes.append(f"steps were {old}, now {new}")
        else:
            rule = "" if name != "steps" else (
                ' (steps may change only while the "stable" schedule is on its plateau)')
            raise _other_run(state, name, old, new, rule)
    _check_tensors(state, model)
    notes += [f"{name} {old} before, {versions()[name]} now: the last digits can differ"
              for name, old in then.get("versions", {}).items() if versions().get(name, old) != old]
    return notes


def on_plateau(recipe: Recipe, done: int) -> bool:
    """Whether the learning rate stands at its height after `done` steps."""
    return recipe.schedule == "stable" and recipe.warm_up * recipe.steps <= done <= recipe.decay * recipe.steps


def versions() -> dict[str, str]:
    """What the last digits of a run depend on."""
    return {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__}


def _other_run(state: dict, name: str, old, new, rule: str = "") -> ResumeError:
    return ResumeError(f"the checkpoint of step {state['step']} is of another run: it has {name} {old!r}, this run "
                       f"{new!r}{rule}. Go on with what it has, or give this run a folder of its own")


def _check_tensors(state: dict, model: nn.Module) -> None:
    kept = {name: tuple(tensor.shape) for name, tensor in state["run"]["model"].items()}
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if kept == own:
        return
    other = [f"{name} {kept.get(name, 'missing')} in the checkpoint, {own.get(name, 'unknown')} in the model"
             for name in sorted(kept.keys() | own.keys()) if kept.get(name) != own.get(name)]
    only_head = all(name.startswith("head.") for name in kept.keys() | own.keys() if kept.get(name) != own.get(name))
    raise ResumeError(
        f"the checkpoint of step {state['step']} is of another model"
        + (" or another number of classes" if only_head else "") + f": {'; '.join(other[:3])}"
        + (f"; and {len(other) - 3} more" if len(other) > 3 else "") + ". Build the same model, or use a new folder")


@contextmanager
def _in_words(path: str | Path) -> Iterator[None]:
    """What a state that lacks something leads to, as a ResumeError."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise ResumeError(f"{path} is whole, but not what a run of this version leaves ({what})") from error


def _plain(values: dict) -> dict:
    """As JSON has them: tuples and lists, Path and str are the same to a comparison."""
    return json.loads(json.dumps(values, default=str))


def _laid_out(state: dict, run: Run) -> dict:
    """The `Run.state_dict()` of a checkpoint with its tensors spread over the processes where the run's are."""
    def like(values: dict, own: dict) -> dict:
        return {name: spread_like(value, own[name]) if name in own else value for name, value in values.items()}

    parameters = [parameter for group in run.optimiser.param_groups for parameter in group["params"]]
    optimiser = state["optimiser"]
    moments = {i: {name: spread_like(value, parameters[i]) for name, value in entry.items()}
               for i, entry in optimiser["state"].items()}
    average = {} if run.average is None else like(state["average"], run.average.state_dict())
    return {**state, "model": like(state["model"], run.model.state_dict()), "average": average,
            "optimiser": {**optimiser, "state": moments}}
