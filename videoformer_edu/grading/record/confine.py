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
    "user": "The grader runs as root and cannot give its children another user: what the other layers do not stop, an "
            "answer does as root.",
}
NEW_USER, NEW_PROCESSES, NEW_NETWORK, NEW_IPC = 0x10000000, 0x20000000, 0x40000000, 0x08000000
NOBODY = 65534


def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    if not hasattr(libc(), "unshare") or libc().unshare(flags):
        raise OSError(ctypes.get_errno(), "no such namespaces here")


def own_namespaces() -> bool:
    """No network and no shared memory of others, for this process and all that it forks. Call it before any thread."""
    user, group = os.geteuid(), os.getegid()
    flags = NEW_NETWORK | NEW_IPC
    try:
        if user:
            raise PermissionError  # only root can do without a user namespace
        unshare(flags)
    except OSError:
        try:
            unshare(flags | NEW_USER)
            for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"),
                               ("gid_map", f"{group} {group} 1")):
                with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                    file.write(text)
        except OSError:
            return False
    return True


def own_processes() -> None:
    """The next fork begins a namespace of its own: when its first process ends, all of them end."""
    unshare(NEW_PROCESSES)


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
