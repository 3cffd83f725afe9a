"""Checkpoints: whole or not there, damage noticed, the one before it offered. Killed writers are in test_killed.py."""

import errno
import os
import random
import resource
import signal

import numpy as np
import pytest
import torch

from videoformer_edu.training import checkpoint
from videoformer_edu.training.checkpoint import ResumeError, checkpoints, load, newest, save


def state(value: int) -> dict:
    return {"run": {"weight": torch.full((40, 50), float(value)), "step": value, "betas": (0.9, 0.999), "none": None}}


def load_newest(folder, **options) -> dict | None:
    path = newest(folder, **options)
    return None if path is None else load(path)


def names(folder) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.fixture
def folder(tmp_path):
    """Two checkpoints of one run."""
    for step in (200, 400):
        save(tmp_path / "run", step, state(step))
    return tmp_path / "run"


def flip(path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)


def test_what_goes_in_comes_out(tmp_path):
    given = {"tensors": [torch.arange(6, dtype=torch.int64), torch.randn(2, 3).bfloat16(), torch.tensor(True)],
             "values": {"a": (1, 2.5, "three", None, False), 7: []}}
    path = save(tmp_path / "new" / "folder", 12, given)
    assert path.name == "step_000012.pt"
    back = load(path)
    assert back["step"] == 12
    assert back["values"] == given["values"]
    for ours, theirs in zip(back["tensors"], given["tensors"], strict=True):
        assert ours.dtype == theirs.dtype and torch.equal(ours, theirs)


def test_torch_reads_the_file_as_it_is(folder):
    """The digest stands behind what torch.save wrote, where torch.load does not mind it."""
    plain = torch.load(folder / "step_000400.pt", weights_only=True)
    assert torch.equal(plain["run"]["weight"], torch.full((40, 50), 400.0))


def test_the_last_two_are_kept(folder):
    save(folder, 600, state(600))
    assert names(folder) == ["step_000400.pt", "step_000600.pt"]
    assert [path.name for path in checkpoints(folder)] == ["step_000600.pt", "step_000400.pt"]
    assert load_newest(folder)["step"] == 600


def test_the_order_is_that_of_the_steps(tmp_path):
    for step in (999_998, 999_999, 1_000_000):
        save(tmp_path, step, state(1))
    assert names(tmp_path) == ["step_1000000.pt", "step_999999.pt"]
    assert load_newest(tmp_path)["step"] == 1_000_000


def test_steps_of_a_future_that_was_left_go(folder):
    """Taken up again from step 200, the run writes step 300: step 400 is not its future any more."""
    save(folder, 300, state(300))
    assert names(folder) == ["step_000200.pt", "step_000300.pt"]


def test_other_files_stay(folder):
    (folder / "notes.txt").write_text("mine")
    (folder / "step_best.pt").write_text("mine, too")
    save(folder, 600, state(600))
    assert {"notes.txt", "step_best.pt"} <= set(names(folder))


def test_a_folder_without_checkpoints_holds_none(tmp_path):
    assert load_newest(tmp_path) is None
    assert load_newest(tmp_path / "missing") is None
    assert checkpoints(tmp_path / "missing") == []


def test_what_a_killed_writer_left_is_removed(folder):
    (folder / ".step_000600.pt.4711.unfinished").write_bytes(b"PK\x03\x04half")
    assert load_newest(folder)["step"] == 400
    assert names(folder) == ["step_000200.pt", "step_000400.pt"]


# -------------------------------------------------------------------------------------------------- damage

def test_any_flipped_byte_is_noticed(folder):
    """In the middle of a tensor, in the pickle, in the zip's directory, in the digest: eighty places over the file."""
    path = folder / "step_000400.pt"
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 80):
        flip(path, place)
        with pytest.raises(ResumeError, match=r"step_000400\.pt .*step_000200\.pt can still be read"):
            load(path)
        path.write_bytes(whole)
    assert load(path)["step"] == 400


def test_torch_alone_would_not_notice(folder):
    """Why there is a digest: a bit flipped in a weight is read without a word."""
    path = folder / "step_000400.pt"
    data = path.read_bytes()
    flip(path, data.index(torch.tensor([400.0] * 9).numpy().tobytes()) + 2)
    assert torch.load(path, weights_only=True)["run"]["weight"][0, 0] != 400
    with pytest.raises(ResumeError, match="damaged.*SHA-256"):
        load(path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.9999])
def test_a_file_cut_short_is_noticed(folder, share):
    path = folder / "step_000400.pt"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ResumeError, match="cut short|is empty|not written by") as refused:
        load(path)
    assert f"resume from {folder / 'step_000200.pt'}" in str(refused.value)


def test_more_than_was_written_is_noticed(folder):
    path = folder / "step_000400.pt"
    path.write_bytes(path.read_bytes() + b"\0" * 100)
    with pytest.raises(ResumeError, match=r"step_000400\.pt"):
        load(path)


def test_a_damaged_newest_is_passed_over_aloud(folder, capsys):
    flip(folder / "step_000400.pt", 5000)
    assert load_newest(folder)["step"] == 200
    said = capsys.readouterr().out
    assert said.startswith("warning: step_000400.pt is damaged") and "going on from step_000200.pt" in said
    lines = []
    load_newest(folder, log=lines.append)
    assert len(lines) == 1


def test_when_nothing_can_be_read_nothing_starts(folder):
    for path in checkpoints(folder):
        flip(path, 5000)
    with pytest.raises(ResumeError, match=r"no checkpoint in .*step_000400.*step_000200.*new folder"):
        load_newest(folder)
    with pytest.raises(ResumeError, match="damaged") as refused:
        load(folder / "step_000400.pt")
    assert "can still be read" not in str(refused.value)


@pytest.mark.parametrize(("content", "message"), [
    (b"step,loss\n1,2.0794\n" * 40, "not written by a training run"),
    (b"", "is empty"),
])
def test_a_foreign_file_is_refused(tmp_path, content, message):
    (tmp_path / "step_000001.pt").write_bytes(content)
    with pytest.raises(ResumeError, match=message):
        load(tmp_path / "step_000001.pt")


def test_weights_alone_are_no_training_run(tmp_path):
    torch.save({"head.weight": torch.zeros(8, 4)}, tmp_path / "model.pt")
    with pytest.raises(ResumeError, match="holds weights and no training run.*--pretrained"):
        load(tmp_path / "model.pt")


def test_another_format_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", "videoformer_edu training run, version 9")
    path = save(tmp_path, 3, state(3))
    monkeypatch.undo()
    with pytest.raises(ResumeError, match="version 9.*expected.*version 1"):
        load(path)


class Trap:
    def __reduce__(self):
        return os.mkdir, ("trapped",)


def test_a_checkpoint_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = save(tmp_path, 3, {"run": Trap()})
    with pytest.raises(ResumeError, match=r"cannot read it \(it holds more than tensors and plain .* unopened\)$"):
        load(path)
    assert not (tmp_path / "trapped").exists()


def test_a_missing_file_and_a_folder_are_told_apart(folder):
    with pytest.raises(ResumeError, match=r"there is no checkpoint .*step_000700\.pt; step_000400\.pt can still"):
        load(folder / "step_000700.pt")
    with pytest.raises(ResumeError, match="it is a folder"):
        load(folder)


# -------------------------------------------------------------------------------------------------- a disk that refuses

@pytest.mark.parametrize("room", [0, 3_000, 300_000])
def test_a_full_disk_leaves_the_old_checkpoints(folder, room):
    """The system itself refuses to let a file grow beyond `room` bytes: in the header, in a tensor, near the end."""
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    old_limit, old_handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, old_limit[1]))
    try:
        with pytest.raises(ResumeError, match=r"step 600 could not be written.*step_000400\.pt, step_000200\.pt"):
            save(folder, 600, {"weight": torch.randn(300, 300)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old_limit)
        signal.signal(signal.SIGXFSZ, old_handler)
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before


@pytest.mark.parametrize("refusing", ["fsync", "replace"])
def test_nothing_is_removed_before_the_new_one_is_on_the_disk(folder, monkeypatch, refusing):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, refusing, refuse)
    with pytest.raises(ResumeError, match="No space left on device"):
        save(folder, 600, state(600))
    monkeypatch.undo()
    assert names(folder) == ["step_000200.pt", "step_000400.pt"]
    assert load_newest(folder)["step"] == 400


def test_bytes_are_on_the_disk_before_the_name_is(folder, monkeypatch):
    """fsync of the file, rename, fsync of the folder, and only then the oldest goes."""
    calls = []
    real = {name: getattr(os, name) for name in ("fsync", "replace", "unlink")}

    def fsync(handle):
        calls.append(("fsync", "folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file"))
        real["fsync"](handle)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append(("replace", b.name)), real["replace"](a, b)))
    monkeypatch.setattr(os, "unlink", lambda a, **_: (calls.append(("unlink", a.name)), real["unlink"](a)))
    save(folder, 600, state(600))
    assert calls == [("fsync", "file"), ("replace", "step_000600.pt"), ("fsync", "folder"),
                     ("unlink", "step_000200.pt")]


def test_a_drive_without_fsync_of_folders_will_do(folder, monkeypatch):
    real = os.fsync

    def fsync(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    save(folder, 600, state(600))
    assert names(folder) == ["step_000400.pt", "step_000600.pt"]


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ResumeError, match="could not be written"):
        save(tmp_path / "run", 1, state(1))


# -------------------------------------------------------------------------------------------------- chance

def test_random_generators_go_on_where_they_stood(tmp_path):
    def draws():
        return torch.rand(3).tolist(), np.random.rand(3).tolist(), np.random.randn(1).tolist(), random.gauss(0, 1)

    for module_seed in (torch.manual_seed, np.random.seed, random.seed):
        module_seed(5)
    draws()  # numpy and Python now hold the second half of a pair of normal numbers
    path = save(tmp_path, 1, {"rng": checkpoint.random_state()})
    expected = draws()
    draws()
    checkpoint.restore_random_state(load(path)["rng"])
    assert draws() == expected
