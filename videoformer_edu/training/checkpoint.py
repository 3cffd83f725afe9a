"""Checkpoints that survive a power cut: whole or not there at all, and never silently damaged.

A checkpoint is one file, `step_000400.pt`: what `torch.save` writes, then the SHA-256 of it. It is written under
another name, brought to the disk, and renamed; so the name exists only when every byte behind it does. Only then is an
older one removed. A run killed at any moment finds at least one whole file to go on from.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from videoformer_edu.training.files import whole_file

KEEP = 2
FORMAT = "videoformer_edu training run, version 1"
MARK = b"\nsha256:"  # followed by 64 hexadecimal digits, the last bytes of the file
TAIL = len(MARK) + 64
NAME = re.compile(r"step_(\d{6,})\.pt")
UNFINISHED = re.compile(r"\.step_\d{6,}\.pt\.\d+\.unfinished")


class ResumeError(Exception):
    """A checkpoint of a run cannot be written or read, or belongs to another run."""


def save(folder: str | Path, step: int, state: dict) -> Path:
    """Write `state` as the checkpoint of `step` into `folder`; return its path once it is safely on the disk.

    state: nested dicts, lists and tuples of tensors, numbers, strings, True, False and None; nothing else comes back.
    Afterwards the folder holds this checkpoint and the one before it. Checkpoints of later steps go, too: when a run
    was taken up again from an earlier step, they belong to a future that it has left.
    Raises ResumeError if the disk is full or refuses; what the folder held is then untouched.
    """
    folder = Path(folder)
    path = folder / f"step_{step:06d}.pt"
    try:
        with whole_file(path) as unfinished, open(unfinished, "wb") as file:
            _write(file, {"format": FORMAT, "step": step, **state})
    except OSError as error:
        left = ", ".join(other.name for other in checkpoints(folder)) or "no checkpoint"
        raise ResumeError(
            f"the checkpoint of step {step} could not be written to {folder} ({error.strerror or error}); the folder "
            f"still holds {left}. Make room or name another folder, then resume") from error
    before = [other for other in checkpoints(folder) if _step(other) < step]
    for other in set(checkpoints(folder)) - {path, *before[: KEEP - 1]}:
        other.unlink(missing_ok=True)
    return path


def checkpoints(folder: str | Path) -> list[Path]:
    """The checkpoints in `folder`, newest step first; [] if there is no such folder."""
    folder = Path(folder)
    names = os.listdir(folder) if folder.is_dir() else []
    return sorted((folder / name for name in names if NAME.fullmatch(name)), key=_step, reverse=True)


def load(path: str | Path) -> dict:
    """The state in one checkpoint, all tensors on the CPU, plus "step".

    Only tensors and plain values are read (`weights_only=True`): a file from a stranger can run no code.
    Raises ResumeError for a file that is missing, cut short, damaged or not a checkpoint of a training run; the
    message names the newest other checkpoint in the same folder that can be read.
    """
    path = Path(path)
    try:
        return _read(path)
    except ResumeError as error:
        for other in checkpoints(path.parent):
            if other != path and _fault(other) is None:
                raise ResumeError(f"{error}; {other.name} can still be read: resume from {other}") from error
        raise


def newest(folder: str | Path, log: Callable[[str], None] = print) -> Path | None:
    """The newest checkpoint in `folder` that is whole; None if the folder holds no checkpoint.

    A damaged newest checkpoint is passed over with a line to `log`, and the one before it is taken: a run that a
    machine restarts at night then loses one interval more, not the night. What a killed writer left unfinished is
    removed. Raises ResumeError if there are checkpoints and all are damaged.
    """
    _remove_unfinished(Path(folder))
    faults = []
    for path in checkpoints(folder):
        fault = _fault(path)
        if fault is None:
            for line in faults:
                log(f"warning: {line}; going on from {path.name} instead")
            return path
        faults.append(fault)
    if faults:
        raise ResumeError(f"no checkpoint in {folder} can be read: {'; '.join(faults)}. Start with a new folder")
    return None


def random_state() -> dict:
    """Where the generators of torch (CPU and current GPU), numpy and Python stand, in values that `save` keeps."""
    name, keys, position, has_gauss, gauss = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": (name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss),
        "python": random.getstate(),
    }


def restore_random_state(state: dict) -> None:
    """Put the generators back to where `random_state` found them. A GPU that was not there then is left alone."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    random.setstate(state["python"])


class _Digesting:
    """A file that hashes what passes. Keeps a failed write's error, which torch.save hides behind one of its own."""

    def __init__(self, file):
        self.file, self.sha256, self.fault = file, hashlib.sha256(), None

    def write(self, data) -> int:
        try:
            self.file.write(data)
        except OSError as error:
            self.fault = error
            raise
        self.sha256.update(data)
        return len(data)

    def flush(self) -> None:
        self.file.flush()


def _write(file, state: dict) -> None:
    digesting = _Digesting(file)
    try:
        torch.save(state, digesting)
    except RuntimeError:
        if digesting.fault is None:
            raise
        raise digesting.fault from None
    file.write(MARK + digesting.sha256.hexdigest().encode())


def _read(path: Path) -> dict:
    if fault := _fault(path):
        raise ResumeError(fault)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whole, yet unreadable: written by a later torch or by other means
        why = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        if isinstance(error, pickle.UnpicklingError):  # of which torch says how to open it nevertheless
            why = "it holds more than tensors and plain values, which may run code, and is left unopened"
        raise ResumeError(f"{path.name} is whole, but torch {torch.__version__} cannot read it ({why})") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        given = repr(state.get("format")) if isinstance(state, dict) else f"a {type(state).__name__}"
        raise ResumeError(f"{path.name} holds no training run that this version knows (format {given}, expected "
                          f"{FORMAT!r})")
    return state


def _fault(path: Path) -> str | None:
    """What is wrong with the bytes of a checkpoint, in words; None if the digest at their end is theirs."""
    if not path.is_file():
        return f"there is no checkpoint {path}" + (" (it is a folder)" if path.is_dir() else "")
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.peek(4)[:4]
            digest, left = hashlib.sha256(), size - TAIL
            while left > 0 and (part := file.read(min(left, 1 << 20))):
                digest.update(part)
                left -= len(part)
            tail = file.read()
    except OSError as error:
        return f"{path.name} cannot be read: {error.strerror or error}"
    if size == 0:
        return f"{path.name} is empty"
    if tail == MARK + digest.hexdigest().encode():
        return None
    if tail.startswith(MARK):
        return f"{path.name} is damaged: its bytes are not those that were written (the SHA-256 differs)"
    if start == b"PK\x03\x04":
        return (f"{path.name} is cut short ({size / 1e6:.1f} MB are there), or holds weights and no training run; "
                "weights alone are read with load_pretrained, or --pretrained on the command line")
    return f"{path.name} was not written by a training run of this package"


def _step(path: Path) -> int:
    return int(NAME.fullmatch(path.name)[1])


def _remove_unfinished(folder: Path) -> None:
    for name in os.listdir(folder) if folder.is_dir() else []:
        if UNFINISHED.fullmatch(name):
            (folder / name).unlink(missing_ok=True)
