"""Children that are ready at once: processes that have imported torch and fork one for every exercise."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from videoformer_edu.grading.record import confine
from videoformer_edu.grading.record.graded import Limits

GRADING = Path(__file__).parents[1]
PACKAGE = GRADING.parent
MODULES = ("crash", "returned", "settings", "collect", "record.wire", "record.landlock", "record.seccomp",
           "record.confine", "record.child", "record.server")
LAYERS = ("namespaces", "user", "files", "filter")
BOOT = """
import json, socket, sys, types
told = json.loads(sys.argv[1])
sys.path[:] = told["path"]
def load(name, file):
    module = sys.modules[name] = types.ModuleType(name)
    module.__file__ = file
    parent, _, own = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], own, module)
    with open(file, encoding="utf-8") as text:
        exec(compile(text.read(), file, "exec"), vars(module))
    return module
sys.modules[told["record"]] = types.ModuleType(told["record"])
early = [load(name, file) for name, file in told["modules"] if name.endswith(("landlock", "seccomp", "confine"))]
alone = "namespaces" in told["layers"] and early[-1].own_namespaces()
for name, file in told["modules"]:
    if name not in sys.modules:
        last = load(name, file)
last.serve(socket.socket(fileno=told["channel"]), told["layers"], told["readable"], alone)
"""


@dataclass(frozen=True)
class Ended:
    """A child that is no more. `status` as the system tells it (None: the server was lost); `late`: out of time."""

    result: bytes
    status: int | None
    late: bool = False
    seconds: float = 0.0


class Pool:
    """`workers` answers run at the same time; use it from as many threads, as a context manager.

    layers: what confines a child, as far as this system has it. `holds` are those in force, `missing` a sentence for
    each of the others: what an answer can do here that it should not.
    """

    def __init__(self, workers: int = 2, limits: Limits | None = None, layers: Sequence[str] = LAYERS):
        self.workers, self.limits = workers, limits or Limits()
        self._folder = tempfile.TemporaryDirectory(prefix="answers-")  # empty, and where every child stands
        os.chmod(self._folder.name, 0o555)
        self._all = [_Server(layers, self._folder.name) for _ in range(workers)]
        self._idle: queue.SimpleQueue = queue.SimpleQueue()
        try:
            for server in self._all:
                server.wait_until_ready()
                self._idle.put(server)
        except BaseException:
            self.close()
            raise
        self.holds: tuple[str, ...] = tuple(self._all[0].layers)
        needed = [name for name in LAYERS if name not in self.holds and (name != "user" or os.geteuid() == 0)]
        self.missing: tuple[str, ...] = tuple(confine.MISSING[name] for name in needed)
        if "files" in needed and os.geteuid():
            confine.unreadable()  # this process knows the seed

    def run(self, job: bytes) -> Ended:
        """Run one child to its end, with everything that it started."""
        with self._server() as server, tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as result:
            asked.write(job)
            asked.seek(0)
            told = server.fork(asked.fileno(), result.fileno(), self.limits)
            size = min(os.fstat(result.fileno()).st_size, self.limits.result)
            spent = told.get("cpu", 0.0) > 0.7 * self.limits.cpu_seconds  # the kernel's two clocks differ a little
            late = bool(told.get("late")) or spent
            return Ended(os.pread(result.fileno(), size, 0), told.get("status"), late,
                         float(told.get("seconds", 0.0)))

    @contextmanager
    def _server(self) -> Iterator[_Server]:
        server = self._idle.get()
        try:
            yield server
        finally:
            self._idle.put(server)

    def close(self) -> None:
        for server in self._all:
            server.close()
        self._folder.cleanup()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Server:
    """One process that forks, and the channel to it. A lost one is started again."""

    def __init__(self, layers: Sequence[str], folder: str):
        self._asked, self._folder, self.layers = layers, folder, ()
        self._start()

    def _start(self) -> None:
        self._channel, theirs = socket.socketpair()
        path = search_path()
        told = {"path": path, "layers": list(self._asked), "channel": theirs.fileno(),
                "readable": readable(path, self._folder), "record": f"{__package__}",
                "modules": [[f"{PACKAGE.name}.{GRADING.name}.{name}", f"{GRADING / name.replace('.', '/')}.py"]
                            for name in MODULES]}
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": self._folder, "OMP_NUM_THREADS": "1",
                       "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
                       "PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}  # a fork copies less
        environment |= {name: os.environ[name] for name in ("ATEN_CPU_CAPABILITY",) if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-S", "-c", BOOT, json.dumps(told)], pass_fds=[theirs.fileno()],
                cwd=self._folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, start_new_session=True)

    def wait_until_ready(self) -> None:
        self._channel.settimeout(120)
        message = self._channel.recv(4096)
        if not message:
            said = self._process.stderr.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"the process that runs answers did not start:\n{said}")
        self.layers = tuple(json.loads(message)["layers"])

    def fork(self, job: int, result: int, limits: Limits) -> dict:
        """What the guard tells of the child's end; {} if the server was lost (it is then started anew)."""
        try:
            self._channel.settimeout(limits.seconds + 30)
            socket.send_fds(self._channel, [json.dumps(asdict(limits)).encode()], [job, result])
            message = self._channel.recv(4096)
            if message:
                return json.loads(message)
        except (OSError, ValueError):
            pass
        self.close()
        self._start()
        self.wait_until_ready()
        return {}

    def close(self) -> None:
        self._channel.close()
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stderr.close()


def search_path() -> list[str]:
    """Where a child finds its libraries: this process's own places but for those that hold the package alone."""
    needed = {str(Path(module.__file__).parents[1]) for module in (np, torch)}
    return [place for place in sys.path if os.path.isdir(place)
            and (os.path.abspath(place) in needed or not (Path(place) / PACKAGE.name).exists())]


def readable(path: Sequence[str], folder: str) -> list[str]:
    """What a child may read: libraries. Where one of these places holds the package, its entries without it."""
    bases = {sys.base_prefix, sys.prefix} - {"/usr"}
    places = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/dev/null",
              *(f"{base}/lib" for base in sorted(bases)), *path, folder]
    found: list[str] = []
    for place in map(os.path.realpath, places):
        found += _without_the_package(Path(place)) if os.path.exists(place) else []
    return sorted(set(found))


def _without_the_package(place: Path) -> list[str]:
    if PACKAGE.resolve().is_relative_to(place):
        return [one for entry in sorted(place.iterdir()) for one in _without_the_package(entry.resolve())] if (
            place != PACKAGE.resolve()) else []
    return [str(place)]
