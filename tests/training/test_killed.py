"""Runs that are killed (kill -9) at random moments, also while they write: nothing is lost but the last interval."""

import collections
import json
import os
import pathlib
import subprocess
import sys

import pytest
import torch
from killed_runs import EVERY, PHASES, RECIPE

from videoformer_edu.training.checkpoint import load

KILLS = 24
HELPER = pathlib.Path(__file__).with_name("killed_runs.py")


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """An undisturbed run, and one that was killed `KILLS` times at random and twice in each phase of its life."""
    folder = tmp_path_factory.mktemp("runs")
    done = subprocess.run([sys.executable, str(HELPER), str(folder), str(KILLS)], capture_output=True, text=True,
                          timeout=600)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return {"folder": folder, **json.loads(done.stdout)}


def same(a, b) -> bool:
    """Nested values, equal to the last bit."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.slow
def test_every_run_was_really_killed_and_taken_up_again(killed):
    *runs, last = killed["runs"]
    assert len(runs) == KILLS + 2 * len(PHASES[1:-1])
    assert {run["code"] for run in runs} == {-9}
    assert last["code"] == 0 and last["phase"] == "done" and last["done"] == RECIPE.steps
    assert 0 < last["began_after"] < RECIPE.steps, "the last run had nothing to go on from, or nothing left to do"


@pytest.mark.slow
def test_kills_fell_into_every_phase(killed):
    phases = collections.Counter(run["phase"] for run in killed["runs"])
    assert set(PHASES[1:]) <= set(phases), phases


@pytest.mark.slow
def test_at_most_one_interval_is_lost(killed):
    furthest = 0
    for run in killed["runs"]:
        if run["began_after"] >= 0:  # it was not killed before it had looked into the folder
            assert run["began_after"] >= furthest - EVERY
        furthest = max(furthest, run["done"])


@pytest.mark.slow
def test_the_end_is_that_of_the_undisturbed_run_to_the_last_bit(killed):
    """Weights, their moving average, moments, schedule, random generators and every loss on the way."""
    ours, theirs = (load(killed["folder"] / name / f"step_{RECIPE.steps:06d}.pt") for name in ("killed", "undisturbed"))
    assert set(ours) == {"format", "step", "run", "rng", "recipe", "about"}
    assert len(ours["run"]["history"]["rows"]) == RECIPE.steps
    for part in ours:
        assert same(ours[part], theirs[part]), part


@pytest.mark.slow
def test_nothing_is_left_behind(killed):
    assert sorted(os.listdir(killed["folder"] / "killed")) == [
        ".lock", *(f"step_{step:06d}.pt" for step in (RECIPE.steps - EVERY, RECIPE.steps))]
