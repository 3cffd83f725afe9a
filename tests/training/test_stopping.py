"""SIGTERM to a real process: the step is finished, its state saved, and the end told."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from videoformer_edu.training.__main__ import main
from videoformer_edu.training.checkpoint import load
from videoformer_edu.training.step import Run
from videoformer_edu.training.stopping import Terminated, Termination

LINE = [sys.executable, "-m", "videoformer_edu.training", "--set", "width=16", "heads=2", "depth=1", "--batch", "2",
        "--device", "cpu", "--steps", "100000", "--every", "90000"]


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)


def ended(folder: pathlib.Path, *options: str) -> tuple[int, str]:
    """Start the command, send SIGTERM once it has trained a while; -> its status and what it said last."""
    process = subprocess.Popen([*LINE, "--history", str(folder / "h.csv"), *options], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, cwd=folder)
    for line in process.stdout:
        if line.startswith("runs on"):
            break
    time.sleep(1.5)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_state_is_saved_and_told(tmp_path, workers):
    status, said = ended(tmp_path, "--checkpoints", "run", "--workers", workers)
    (path,) = (tmp_path / "run").glob("step_*.pt")
    assert (status, said) == (143, f"stopped: the same line goes on from run/{path.name}\n")
    state = load(path)
    assert len(state["run"]["history"]["rows"]) == state["step"] > 0


@pytest.mark.slow
def test_without_a_folder_that_is_told_too(tmp_path):
    assert ended(tmp_path) == (143, "stopped: there is no checkpoint of it\n")


def test_after_the_last_step_the_results_are_still_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    real = Run.step

    def step(run, batch):
        if run.done == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(run, batch)

    monkeypatch.setattr(Run, "step", step)
    line = [*LINE[3:-4], "--steps", "2", "--out", "w.safetensors", "--history", "h.csv", "--evaluate"]
    assert main(line) == 143
    said = capsys.readouterr()
    assert "weights -> w.safetensors" in said.out and "history -> h.csv" in said.out and "held out, 10" not in said.out
    assert said.err == "stopped: there is no checkpoint of it\n"


def test_with_patience_it_waits_for_a_good_moment():
    reached = []
    with pytest.raises(Terminated), Termination() as end:
        with end.patience():
            os.kill(os.getpid(), signal.SIGTERM)
            reached.append(end.asked)
        reached.append("too far")
    assert reached == [True]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_without_patience_it_ends_at_once():
    with pytest.raises(Terminated), Termination():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)


def test_a_process_of_the_loader_ends_as_it_always_did():
    with Termination() as end, end.patience():
        child = os.fork()
        if child == 0:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(20)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM


def test_under_torchrun_nothing_changes(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
    with Termination():
        assert signal.getsignal(signal.SIGTERM) is before
