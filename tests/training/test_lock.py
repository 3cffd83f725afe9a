"""One run in a folder at a time, and no longer than its process lives."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import types

import pytest

from videoformer_edu.training import lock
from videoformer_edu.training.lock import FolderLock

HOLD = """
import sys, time
from pathlib import Path
from videoformer_edu.training.lock import FolderLock
held = FolderLock(Path(sys.argv[1]))
assert held.acquire() == ""
if "fork" in sys.argv:  # as the processes of a loader are made, which live on for a while
    import os
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Starts another process that holds the lock; in the end, all of its group go."""
    started = []

    def hold(*options) -> subprocess.Popen:
        process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), *options], stdout=subprocess.PIPE,
                                   text=True, start_new_session=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def lock_of():
    """Makes locks, and releases them in the end."""
    with contextlib.ExitStack() as stack:
        def make(folder) -> FolderLock:
            mine = FolderLock(folder)
            stack.callback(mine.release)
            return mine

        yield make


def test_a_second_process_is_told_who_has_the_folder(tmp_path, lock_of, other):
    process, mine = other(), lock_of(tmp_path)
    assert mine.acquire() == f"process {process.pid} on {os.uname().nodename}"
    assert mine.file is None


@pytest.mark.parametrize("options", [(), ("fork",)], ids=["alone", "with a process of its own"])
def test_the_lock_ends_with_its_process(tmp_path, lock_of, other, options):
    process = other(*options)
    process.kill()
    process.wait()
    mine = lock_of(tmp_path)
    assert mine.acquire() == ""
    assert (tmp_path / ".lock").read_text() == f"process {os.getpid()} on {os.uname().nodename}\n"
    mine.release()
    mine.release()  # twice is once


def test_a_process_may_take_a_folder_again(tmp_path, lock_of):
    """A cell that was stopped, run anew in the same kernel."""
    first, second = lock_of(tmp_path / "new"), lock_of(tmp_path / "new")
    assert first.acquire() == second.acquire() == ""


def test_another_machine_is_waited_for(tmp_path, lock_of, monkeypatch):
    """Its lock goes when the drive has noticed that it is gone."""
    (tmp_path / ".lock").write_text("process 4 on node7\n")
    tries, lines = [], []

    def lock_file(file):
        tries.append(file)
        if len(tries) < 3:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(lock, "lock_file", lock_file)
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: None)
    assert lock_of(tmp_path).acquire(lines.append) == ""
    assert len(tries) == 3 and "is in use by process 4 on node7; waiting up to 120 seconds" in lines[0]
    tries.clear()
    (tmp_path / ".lock").write_text("process 4 on node7\n")
    monkeypatch.setattr(lock, "PATIENCE", -1.0)
    assert lock_of(tmp_path).acquire(lines.append) == "process 4 on node7"


def test_a_drive_without_locks_will_do_and_says_so(tmp_path, lock_of, monkeypatch):
    def refuse(file):
        raise OSError(errno.ENOLCK, "No locks available")

    lines = []
    monkeypatch.setattr(lock, "lock_file", refuse)
    assert lock_of(tmp_path).acquire(lines.append) == ""
    assert lines == [f"note: no lock on {tmp_path} (No locks available): see that no other run writes there"]


def test_windows_locks_a_byte_beyond_the_text(tmp_path, lock_of, monkeypatch):
    """Its calls, not its system: a locked byte cannot be read there, and the holder's name has to be."""
    calls = []
    msvcrt = types.SimpleNamespace(LK_NBLCK=2, locking=lambda *given: calls.append(given))
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    mine = lock_of(tmp_path)
    assert mine.acquire() == ""
    assert calls == [(mine.file.fileno(), 2, 1)]
    assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")
