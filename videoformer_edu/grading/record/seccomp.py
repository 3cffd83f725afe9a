"""System calls that an answer has no use for (Linux): other processes, sockets, signals, tracing, mounting.

A filter of the kernel that no later code can lift: each listed call fails with "not permitted". It needs no privilege
and holds in containers too. Numbers are those of the kernel's tables for x86-64 and arm64.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

CALLS = {  # name: (x86-64, arm64); None: that machine has no such call
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "socket": (41, 198), "socketpair": (53, 199), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "perf_event_open": (298, 241), "bpf": (321, 280), "userfaultfd": (323, 282),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
}
CLONE, CLONE3, TGKILL, PRLIMIT = (56, 220), (435, 435), (234, 131), (302, 261)
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column of the table, name in the filter
CLONE_THREAD = 0x10000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # of the kernel's small filter machine
ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER, MACHINE, FIRST_ARGUMENT = 0, 4, 16  # where they stand in what a filter looks at


def install() -> None:
    """Put the filter on this process, for good. Raises OSError where the system has none."""
    if platform.system() != "Linux" or platform.machine() not in MACHINES:
        raise OSError(errno.ENOSYS, f"no filter of system calls for {platform.system()} on {platform.machine()}")
    program = filter_of(*MACHINES[platform.machine()], os.getpid())
    text = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    made = Program(len(program) // 8, ctypes.addressof(text))
    if libc.prctl(22, ctypes.c_ulong(2), ctypes.byref(made), 0, 0):  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        raise OSError(ctypes.get_errno(), "the system takes no filter of system calls")


def filter_of(column: int, machine: int, own_pid: int) -> bytes:
    """The filter as the kernel reads it: eight bytes an instruction."""
    refuse, absent = ERROR | errno.EPERM, ERROR | errno.ENOSYS
    lines = [(LOAD, 0, 0, MACHINE), (EQUAL, 1, 0, machine), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NUMBER)]
    if column == 0:  # the second set of numbers of x86-64
        lines += [(AT_LEAST, 0, 1, 0x40000000), (RETURN, 0, 0, KILL)]
    for number in sorted(pair[column] for pair in CALLS.values() if pair[column] is not None):
        lines += [(EQUAL, 0, 1, number), (RETURN, 0, 0, refuse)]
    lines += [(EQUAL, 0, 1, CLONE3[column]), (RETURN, 0, 0, absent)]  # threads are then made by clone
    lines += [(EQUAL, 0, 4, CLONE[column]), (LOAD, 0, 0, FIRST_ARGUMENT),
              (ANY_BIT, 0, 1, CLONE_THREAD), (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, refuse)]
    for call, own in ((TGKILL, own_pid), (PRLIMIT, 0)):  # to itself only: abort() is one
        lines += [(EQUAL, 0, 4, call[column]), (LOAD, 0, 0, FIRST_ARGUMENT),
                  (EQUAL, 0, 1, own), (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, refuse)]
    lines += [(RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("HBBI", *line) for line in lines)
