"""What an answer's process may do: limits first, then the layers that this system has. None of it can be undone.

Each layer stands alone, so that one which a system lacks costs only what it would have stopped; `MISSING` says that in
a sentence, and the grader repeats it to whoever runs it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Callable, Mapping, Sequence

from videoformer_edu.grading.record import landlock, seccomp

MISSING = {
    "namespaces": "No namespaces can be made here: an answer sees the numbers of other processes, and a network "
                  "device stays in reach of whatever opens no new socket.",
    "filter": "No filter of system calls here: an answer can open network connections, start processes (their number "
              "is limited, and they are ended with it) and send signals to your other processes.",
    "files": "No Landlock here: an answer can read every file that you can read by its path, the course's worked "
             "answers among them, and write to its folder.",
    "user": "The grader runs as root and cannot give its children another user, or another user could not read "
            "Python's libraries: what the other layers do not stop, an answer does as root.",
}
NEW_USER, NEW_PROCESSES, NEW_NETWORK, NEW_IPC = 0x10000000, 0x20000000, 0x40000000, 0x08000000
NOBODY = 65534


def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    if not hasattr(libc(), "unshare") or libc().unshare(flags):
        raise OSError(ctypes.get_errno(), "no such namespaces here")


def own_namespaces() -> bool:
    """No network and no shared memory of others, for this process and all that it forks. Call it before any thread.

    Where this takes a user namespace, the caller goes on as the first process of a process namespace as well.
    """
    user, group = os.geteuid(), os.getegid()
    flags = NEW_NETWORK | NEW_IPC
    try:
        if user:
            raise PermissionError  # only root can do without a user namespace
        unshare(flags)
    except OSError:
        try:
            unshare(flags | NEW_USER | NEW_PROCESSES)
            for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"),
                               ("gid_map", f"{group} {group} 1")):
                with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                    file.write(text)
        except OSError:
            return False
        _go_on_as_a_child()
    return True


def _go_on_as_a_child() -> None:
    """The rest of this program runs in a new process; this one ends when that one does, and the other way round."""
    pid = os.fork()
    if pid:
        libc().prctl(1, 9, 0, 0, 0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xFF)
    libc().prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG


class Processes:
    """Gives each child a process namespace of its own: when its first process ends, all of them end."""

    def __init__(self):
        self._own = os.open(f"/proc/{'self' if os.path.exists('/proc/self') else os.getpid()}/ns/pid", os.O_RDONLY)

    def fresh(self) -> None:
        """The next fork begins a new one."""
        unshare(NEW_PROCESSES)

    def back(self) -> None:
        """Forks stay in the own one again."""
        if libc().setns(self._own, NEW_PROCESSES):
            raise OSError(ctypes.get_errno(), "no way back from a process namespace")

    @classmethod
    def possible(cls) -> bool:
        try:
            tried = cls()
            tried.fresh()
            tried.back()
            os.close(tried._own)
        except OSError:
            return False
        return True


def adopt_orphans() -> None:
    """Processes whose parents have ended become children of this one, which ends them."""
    if sys.platform == "linux":
        libc().prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def unreadable() -> None:
    """Another process of the same user can neither trace this one nor read its memory."""
    if sys.platform == "linux":
        libc().prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE


def confine(limits: Mapping[str, float], readable: Sequence[str], layers: Sequence[str]) -> list[str]:
    """Limits and the asked layers on this very process. Returns the names of those that could not be had."""
    if sys.platform == "linux":
        libc().prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS: needed for what follows
    _limit(limits, count="filter" not in layers)
    lost = [name for name, install in (("files", lambda: landlock.install(readable)), ("user", _become_nobody))
            if name in layers and not _done(install)]
    unreadable()
    if sys.platform == "linux":
        libc().prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG: it does not outlive the process that watches it
        header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        libc().capset(header, none)  # no capability, also none within a user namespace
    return lost + (["filter"] if "filter" in layers and not _done(seccomp.install) else [])


def _done(install: Callable[[], None]) -> bool:
    try:
        install()
    except OSError:
        return False
    return True


def _become_nobody() -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        if not all(os.access(place, os.R_OK) for place in sys.path):
            raise PermissionError("nobody else can read these libraries")


def _limit(limits: Mapping[str, float], count: bool) -> None:
    """`memory` counts on top of what the process has now; `count`: processes too, on top of the user's own."""
    asked = {"RLIMIT_CPU": limits["cpu_seconds"], "RLIMIT_FSIZE": limits["file"], "RLIMIT_CORE": 0,
             "RLIMIT_NOFILE": 64, "RLIMIT_MEMLOCK": 2**16, "RLIMIT_MSGQUEUE": 0}
    if os.path.exists("/proc/self/statm"):
        with open("/proc/self/statm", encoding="ascii") as file:
            asked["RLIMIT_AS"] = int(file.read().split()[0]) * resource.getpagesize() + limits["memory"]
        if count:
            asked["RLIMIT_NPROC"] = _threads_of(os.geteuid()) + limits["processes"]
    for name, value in asked.items():
        if hasattr(resource, name):
            hard = resource.getrlimit(getattr(resource, name))[1]
            most = int(value) if hard == resource.RLIM_INFINITY else min(int(value), hard)
            resource.setrlimit(getattr(resource, name), (most, most))


def _threads_of(user: int) -> int:
    found = 0
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{entry}").st_uid == user:
                found += len(os.listdir(f"/proc/{entry}/task"))
        except OSError:  # it has ended meanwhile
            continue
    return found
