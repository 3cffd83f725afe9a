"""One run in a folder at a time: a lock that lasts as long as its process, however that ends."""

from __future__ import annotations

import errno
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
FAR = 1 << 20  # the byte that Windows locks: beyond what is written, since a locked byte cannot be read there
PATIENCE = 120.0  # seconds: a network drive needs up to 90 to notice that the machine of a run is gone


class FolderLock:
    """The right to write to a folder, held from `acquire` to `release` or the end of the process.

    The file `.lock` stays in the folder and says who had the lock last; what counts is the system's lock on it. It is
    a record lock, not `flock`: that would go on in the loader's processes for a while after a run was killed.
    """

    def __init__(self, folder: Path):
        self.path, self.file = folder / ".lock", None

    def acquire(self, log: Callable[[str], None] = print) -> str:
        """-> "", or the run that holds the lock, in words. Another machine's lock is waited for a while.

        On a drive that knows no locks the run goes on without one, and says so. Raises OSError.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(self.path, "a+", encoding="utf-8")  # noqa: SIM115 - open for as long as the lock is held
        begun = time.monotonic()
        while True:
            try:
                lock_file(self.file)
                break
            except OSError as error:
                if error.errno not in HELD:
                    log(f"note: no lock on {self.path.parent} ({error.strerror or error}): see that no other run "
                        "writes there")
                    break
            self.file.seek(0)
            holder = self.file.read().strip() or "another process"
            if holder.endswith(f" on {platform.node()}") or time.monotonic() - begun > PATIENCE:
                self.release()
                return holder
            if time.monotonic() - begun < 1:
                log(f"{self.path.parent} is in use by {holder}; waiting up to {PATIENCE:.0f} seconds")
            time.sleep(1)
        self.file.truncate(0)
        self.file.write(f"process {os.getpid()} on {platform.node()}\n")
        self.file.flush()
        return ""

    def release(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None


def lock_file(file) -> None:
    """Lock an open file for this process. Raises OSError: one of `HELD` if another process has it."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        file.seek(FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
