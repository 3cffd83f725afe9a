"""Files that an answer can open (Linux 5.13 and later): the libraries, for reading. Nothing else, and no writing.

Landlock is a rule of the kernel that a process puts on itself, without any privilege, and that no later code can lift.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence

CREATE, ADD, RESTRICT = 444, 445, 446  # system calls; the same number on every machine
READ_FILE, READ_DIR = 1 << 2, 1 << 3
# how many rights on files there are, by version; later versions know TCP ports and signals as well
RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
PORTS, SIGNALS = (4, 0b11), (6, 0b11)  # from version .. on: bind and connect; abstract sockets and signals


def version() -> int:
    """0 where the kernel has none."""
    return max(_libc().syscall(CREATE, None, ctypes.c_size_t(0), 1), 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def install(readable: Sequence[str]) -> None:
    """From now on only what is below `readable` can be opened, for reading. Raises OSError where there is none."""
    libc, known = _libc(), version()
    if not known:
        raise OSError(ctypes.get_errno(), "this kernel has no Landlock")
    files = (1 << RIGHTS.get(known, 16)) - 1
    rules = struct.pack("QQQ", files, PORTS[1] if known >= PORTS[0] else 0, SIGNALS[1] if known >= SIGNALS[0] else 0)
    size = 8 if known < PORTS[0] else 16 if known < SIGNALS[0] else 24
    ruleset = _checked(libc.syscall(CREATE, rules[:size], ctypes.c_size_t(size), 0))
    for path in readable:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rights = READ_FILE | (READ_DIR if os.path.isdir(path) else 0)
        _checked(libc.syscall(ADD, ruleset, 1, struct.pack("=Qi", rights, place), 0))
        os.close(place)
    _checked(libc.syscall(RESTRICT, ruleset, 0))
    os.close(ruleset)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return result
