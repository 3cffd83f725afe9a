"""SIGTERM, which a cluster sends before it takes a machine back: the step is finished, and nothing half written."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch.distributed import is_torchelastic_launched


class Terminated(BaseException):
    """Somebody sent SIGTERM, and this is a good moment to end."""


class Termination:
    """`with Termination() as end:` SIGTERM raises Terminated inside; in `with end.patience():` only at its end.

    asked: it came. A second one ends the process at once. Under torchrun, where one process cannot save without the
    others, and in threads, SIGTERM does what it always does.
    """

    def __init__(self):
        self.asked, self.patient, self.process, self.before = False, False, os.getpid(), None

    def __enter__(self) -> Termination:
        if threading.current_thread() is threading.main_thread() and not is_torchelastic_launched():
            self.before = signal.signal(signal.SIGTERM, self._came)
        return self

    def __exit__(self, *_) -> None:
        if self.before is not None:
            signal.signal(signal.SIGTERM, self.before)

    @contextmanager
    def patience(self) -> Iterator[None]:
        self.patient = True
        try:
            yield
        finally:
            self.patient = False
        self.check()

    def check(self) -> None:
        """Now would be a good moment."""
        if self.asked:
            raise Terminated

    def _came(self, *_) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.getpid() != self.process:  # a process of the loader, which has inherited this and is to end
            os.kill(os.getpid(), signal.SIGTERM)
        self.asked = True
        if not self.patient:
            raise Terminated
