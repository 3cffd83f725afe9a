"""`python -m experiments`, from the command line to the files."""

import json
import pathlib
import sys

import pytest
from safetensors.torch import load_file

from experiments.__main__ import main
from experiments.catalogue import EXPERIMENTS
from experiments.starting import fresh_model
from experiments.store import Store
from videoformer_edu.pretrained.small import WEIGHTS

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.slow
def test_a_few_steps_of_every_kind(tmp_path, few, capsys):
    """Pictures, a start from them, painting, a start from that, and one that is not shipped."""
    names = ("divided_inflated", "videomae_64_labels", "single_frame")
    assert main(["--only", *names, "--steps", "3", "--seeds", "4", "--out", str(tmp_path)]) == 0
    made = ["vit_digits_8x8", "single_frame", "divided_inflated", "videomae_pretraining", "videomae_64_labels"]
    assert list(json.loads((tmp_path / "weights" / "RESULTS.json").read_text())) == made
    printed = capsys.readouterr().out
    assert "5 runs are finished" in printed
    for name in made:
        assert f"{name}  seed 4  step     3 / 3" in printed
        path = tmp_path / "weights" / f"{name}.safetensors"
        assert path.exists() == EXPERIMENTS[name].ships
        if path.exists():
            fresh_model(EXPERIMENTS[name]).load_state_dict(load_file(path))
    page = (tmp_path / "docs" / "experiments.md").read_text(encoding="utf-8")
    (tmp_path / "docs" / "experiments.md").unlink()
    assert main(["--table", "--steps", "3", "--seeds", "4", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "docs" / "experiments.md").read_text(encoding="utf-8") == page
    assert "loss" not in capsys.readouterr().out


def test_the_list_says_what_is_missing(tmp_path, capsys):
    assert main(["--list", "--only", "divided_inflated", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "missing  vit_digits_8x8  seed 0  (images)",
        *(f"missing  divided_inflated  seed {seed}  (inflation)" for seed in EXPERIMENTS["divided_inflated"].seeds)]
    assert main(["--list", "--group", "length", "controls", "--seeds", "3", "--out", str(tmp_path)]) == 0
    listed = {line.split()[1] for line in capsys.readouterr().out.splitlines()}
    assert listed == {e.name for e in EXPERIMENTS.values() if set(e.groups) & {"length", "controls"}}


@pytest.mark.parametrize(("arguments", "message"), [
    (["--only", "vit_letters"], "invalid choice: 'vit_letters'"),
    (["--group", "colours"], "invalid choice: 'colours'"),
    (["--steps", "0"], "--steps is 0; expected at least 1"),
    (["--jobs", "0"], "--jobs is 0; expected at least 1"),
    (["--publish", "--steps", "3"], "--publish writes the results of the course, so it goes without --steps"),
    (["--device", "cuda:7"], "--device is cuda:7, but PyTorch sees no GPU here; try --device cpu"),
])
def test_bad_arguments_are_explained(arguments, message, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_publishing_without_runs_changes_nothing(tmp_path, capsys, monkeypatch):
    """In a fresh clone there are no runs, only what was published before."""
    command = sys.modules[main.__module__]
    monkeypatch.setattr(command, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    assert main(["--publish", "--table", "--out", str(tmp_path / "runs")]) == 0
    for name, place in (("RESULTS.json", WEIGHTS), ("experiments.md", ROOT / "docs")):
        written = tmp_path / ("weights" if name.endswith("json") else "docs") / name
        assert written.read_text(encoding="utf-8") == (place / name).read_text(encoding="utf-8")
    assert not list((tmp_path / "weights").glob("*.safetensors"))  # weights are those of runs


def test_an_incomplete_experiment_stops_the_publishing(tmp_path, capsys, monkeypatch):
    command = sys.modules[main.__module__]
    monkeypatch.setattr(command, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    experiment = EXPERIMENTS["c3d"]
    Store(tmp_path / "runs" / "runs").keep(experiment, 2, fresh_model(experiment), {"seed": 2, "accuracy": 0.5})
    assert main(["--publish", "--table", "--out", str(tmp_path / "runs")]) == 1
    said = capsys.readouterr().out
    assert "nothing was published:" in said and "c3d is finished for the seeds [2]" in said
    assert not (tmp_path / "weights").exists() and not (tmp_path / "docs").exists()
