"""Many runs: what is missing is made, what is finished is kept, and a command that was killed goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from experiments import work as working
from experiments.experiment import Experiment, changed, digest
from experiments.store import Store, save_weights
from experiments.work import generations, work
from videoformer_edu.models import c3d_motion

FIRST = changed(Experiment("first", "", "c3d_motion", ("data",), seeds=(5, 6)), steps=2)
SECOND = replace(FIRST, name="second", start=FIRST, seeds=(0,))
THIRD = replace(FIRST, name="third", start=SECOND, seeds=(1, 2))


@pytest.fixture
def runs(monkeypatch):
    """Instead of training: a list of what would have been trained, and from which weights."""
    made = []

    def train(experiment, seed, state=None, **options):
        made.append((experiment.name, seed, None if state is None else state["head.bias"][0].item()))
        if (experiment.name, seed) == ("first", 6):
            raise FloatingPointError("the loss of step 2 is nan")
        model = c3d_motion()
        with torch.no_grad():
            model.head.bias.fill_(seed)
        return model, {"seed": seed, "accuracy": 0.5}

    monkeypatch.setattr(working, "train", train)
    return made


def test_what_others_start_from_is_made_first_and_with_its_first_seed_alone():
    assert [[(e.name, seed) for e, seed in tasks] for tasks in generations([THIRD])] == [
        [("first", 5)], [("second", 0)], [("third", 1), ("third", 2)]]
    assert [[(e.name, seed) for e, seed in tasks] for tasks in generations([SECOND, FIRST])] == [
        [("first", 5), ("first", 6)], [("second", 0)]]


def test_a_run_gets_the_weights_that_it_starts_from_and_a_failure_stops_no_other(runs, tmp_path, capsys):
    failed = work([FIRST, THIRD], tmp_path)
    assert runs == [("first", 5, None), ("first", 6, None), ("second", 0, 5.0), ("third", 1, 0.0), ("third", 2, 0.0)]
    assert failed == ["first seed 6: FloatingPointError: the loss of step 2 is nan"]
    assert "failed: first seed 6" in capsys.readouterr().out


def test_finished_runs_are_not_made_again_but_changed_ones_are(runs, tmp_path):
    work([FIRST, SECOND], tmp_path)
    runs.clear()
    work([FIRST, SECOND], tmp_path)
    assert runs == [("first", 6, None)]  # the one that failed
    runs.clear()
    work([replace(SECOND, recipe=replace(SECOND.recipe, lr=1e-3), note="slower")], tmp_path)
    assert runs == [("second", 0, 5.0)]
    assert Store(tmp_path).row(SECOND, 0) == {"seed": 0, "accuracy": 0.5}  # and the old one is still there


def test_a_run_is_finished_when_its_last_file_is_in_its_place(tmp_path, monkeypatch):
    store, model = Store(tmp_path), c3d_motion()
    replace_file, moved = os.replace, []

    def break_down(source, target):
        if moved:
            raise KeyboardInterrupt
        moved.append(target)
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", break_down)
    with pytest.raises(KeyboardInterrupt):
        store.keep(FIRST, 5, model, {"seed": 5})
    assert len(moved) == 1 and store.row(FIRST, 5) is None
    monkeypatch.setattr(os, "replace", replace_file)
    store.keep(FIRST, 5, model, {"seed": 5})
    assert store.row(FIRST, 5) == {"seed": 5}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"first-seed5-{digest(FIRST)}.json", f"first-seed5-{digest(FIRST)}.safetensors"]


def test_weights_come_back_as_they_were_rounded(tmp_path):
    store, model = Store(tmp_path), c3d_motion()
    model(torch.randn(2, 3, 8, 32, 32))  # running statistics, and a counter of batches
    model.layers[0][1].num_batches_tracked.fill_(4099)  # no float16 is 4099
    store.keep(FIRST, 5, model, {})
    back = store.weights(FIRST, 5)
    for key, value in model.state_dict().items():
        expected = value.half().float() if value.is_floating_point() else value
        assert back[key].dtype == value.dtype and torch.equal(back[key], expected)


def test_the_same_weights_are_the_same_bytes(tmp_path):
    state = {"b": torch.randn(3, 5), "a": torch.arange(4)}
    for name in ("one", "two"):
        save_weights(state, tmp_path / name, {"name": "x", "recipe": {"steps": 3}})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


COMMAND = [sys.executable, "-m", "experiments", "--only", "c3d", "--steps", "2", "--seeds"]


@pytest.mark.slow
def test_a_command_that_is_killed_goes_on_with_what_is_missing(tmp_path):
    """The real command: killed as soon as its first run is there, then started again."""
    runs, seeds = tmp_path / "runs", ("0", "1")
    first = subprocess.Popen([*COMMAND, *seeds, "--out", str(tmp_path)], stdout=subprocess.DEVNULL)
    waiting = time.monotonic() + 120
    while not list(runs.glob("c3d-seed0-*.json")) and time.monotonic() < waiting:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    kept = {path: path.stat().st_mtime_ns for path in runs.glob("*.json")}
    assert list(kept) == list(runs.glob("c3d-seed0-*.json"))
    second = subprocess.run([*COMMAND, *seeds, "--jobs", "2", "--out", str(tmp_path)], capture_output=True, text=True,
                            timeout=300)
    assert second.returncode == 0, second.stderr
    assert second.stderr == ""
    assert "1 of 2 runs are finished already" in second.stdout
    assert "c3d  seed 0" not in second.stdout and "c3d  seed 1  step     2 / 2" in second.stdout
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    results = json.loads((tmp_path / "weights" / "RESULTS.json").read_text())
    assert {name: [run["seed"] for run in result["runs"]] for name, result in results.items()} == {"c3d": [0, 1]}
    assert results["c3d"]["over_seeds"]["accuracy"][1:] == sorted(run["accuracy"] for run in results["c3d"]["runs"])
