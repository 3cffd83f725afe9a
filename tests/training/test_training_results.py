"""What a run leaves is never lost at its end, whatever fails there."""

import errno
import os
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file

from videoformer_edu.training import __main__ as command
from videoformer_edu.training import results, resume
from videoformer_edu.training.__main__ import main
from videoformer_edu.training.checkpoint import ResumeError
from videoformer_edu.training.results import clips_at_once

TINY = ["--set", "width=16", "heads=2", "depth=1", "--batch", "2", "--device", "cpu", "--steps", "2"]


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setattr(results, "mkdtemp", lambda prefix: str(tmp_path / f"{prefix}rescue"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def trained(tmp_path):
    """The weights of a run in which nothing fails."""
    assert main([*TINY, "--out", "good.safetensors"]) == 0
    return load_file(tmp_path / "good.safetensors")


def same(path, weights: dict) -> bool:
    found = load_file(path)
    return found.keys() == weights.keys() and all(torch.equal(found[name], weights[name]) for name in weights)


def test_nothing_is_trained_for_a_place_that_takes_nothing(monkeypatch, capsys):
    """More is in the tests of the options and of `try_file`; here: it comes before the first step."""
    monkeypatch.setattr(command, "fit", lambda *_, **__: pytest.fail("it trained"))
    os.mkdir("folder")
    for options in (["--out", "folder"], ["--history", "folder"]):
        with pytest.raises(SystemExit):
            main([*TINY, *options])
        assert "a folder; name a file in it" in capsys.readouterr().err


def test_weights_and_history_are_there_before_the_evaluation_and_survive_it(trained, monkeypatch, capsys):
    def broken(*_):
        assert os.path.exists("w.safetensors") and os.path.exists("h.csv")
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(command, "evaluate_together", broken)
    assert main([*TINY, "--evaluate", "--out", "w.safetensors", "--history", "h.csv"]) == 1
    said = capsys.readouterr().err
    assert said == ("error: the evaluation failed: DefaultCPUAllocator: can't allocate memory; training itself is "
                    "done, its weights are in w.safetensors\n")
    assert same("w.safetensors", trained)
    assert main([*TINY, "--evaluate"]) == 1
    path = re.search(r"its weights are in (\S+)\n", capsys.readouterr().err)[1]
    assert same(path, trained), "without --out they get a place nevertheless"


def test_a_broken_clip_among_the_held_out_costs_the_evaluation_alone(videos, tmp_path, capsys):
    shutil.copytree(videos, tmp_path / "val")
    (tmp_path / "val" / "left" / "0.mp4").write_bytes(b"no video")
    assert main([*TINY, "--data", str(videos), "--held-out", "val", "--frames", "3", "--size", "16", "--evaluate",
                 "--out", "w.safetensors"]) == 1
    said = capsys.readouterr()
    assert "weights -> w.safetensors" in said.out
    assert "error: the evaluation failed: video 0 cannot be read" in said.err and said.err.count("\n") == 1
    assert load_file("w.safetensors")


def test_a_disk_that_fills_up_while_training_loses_nothing(trained, monkeypatch, capsys):
    real = results.whole_file

    def full(path):
        if path.name == "w.safetensors":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path)

    monkeypatch.setattr(results, "whole_file", full)
    assert main([*TINY, "--out", "w.safetensors", "--history", "h.csv"]) == 1
    said = capsys.readouterr()
    assert "history -> h.csv" in said.out
    found = re.fullmatch(r"error: w.safetensors could not be written \(No space left on device\); the trained weights "
                         r"are in (\S+)\n", said.err)
    assert same(found[1], trained)


def test_where_nothing_can_be_written_that_is_said(monkeypatch, capsys):
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(results, "whole_file", full)
    assert main([*TINY, "--out", "w.safetensors", "--history", "h.csv"]) == 1
    said = capsys.readouterr()
    assert "history -> h.csv" in said.out and "the trained weights are in no file, since the temporary" in said.err


def test_a_last_checkpoint_that_fails_takes_no_weights_with_it(trained, monkeypatch, capsys):
    def full(folder, step, state):
        raise ResumeError(f"the checkpoint of step {step} could not be written")

    monkeypatch.setattr(resume, "save", full)
    line = [*TINY, "--checkpoints", "run", "--out", "w.safetensors"]
    assert main(line) == 1
    assert capsys.readouterr().err == "error: the checkpoint of step 2 could not be written\n"
    assert same("w.safetensors", trained)
    assert main(line[:-2]) == 1
    found = re.search(r"step 2 could not be written; the trained weights are in (\S+)\n", capsys.readouterr().err)
    assert same(found[1], trained), "without --out they get a place nevertheless"
    os.remove("w.safetensors")
    assert main([*line, "--every", "1"]) == 1, "one in the middle stops the run, as before"
    assert capsys.readouterr().err == "error: the checkpoint of step 1 could not be written\n"
    assert not os.path.exists("w.safetensors")


def test_an_evaluation_takes_no_more_at_once_than_a_step(monkeypatch):
    """batch 10 in 2 parts on 2 processes: 3 clips with their gradients."""
    assert [clips_at_once(*case) for case in ((10, 2, 2), (2, 1, 1), (5, 1, 2), (500, 1, 1))] == [3, 2, 3, 64]
    seen = []

    def note(model, data, world, at_once):
        seen.extend(len(clips) for clips, _ in data.held_out(0, 1, at_once))
        return {"examples": 0}

    monkeypatch.setattr(command, "evaluate_together", note)
    assert main([*TINY, "--evaluate"]) == 0
    assert set(seen) == {2} and sum(seen) == 1024
