"""Answers that look for what is not theirs: sheets, other processes, the network, later children."""

from __future__ import annotations

import os

from tests.grading.record.attacks.attack import PACKAGE, Attack, sees, wrong

ROOT = PACKAGE.parent
SOLUTIONS = ROOT / "solutions" / "04_timesformer_sheet.ipynb"
LIBC = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"


def attacks() -> tuple[Attack, ...]:
    """A function, because the parent's process is one of the aims."""
    parent = os.getpid()
    return (
        sees("the sheets by their path", f"got = bool(open({str(PACKAGE / 'sheets' / 'oracles.py')!r}).read())"),
        sees("the solutions by their path", f"got = bool(open({str(SOLUTIONS)!r}).read())"),
        sees("the package by its name", "import videoformer_edu.sheets\ngot = True"),
        sees("the package put back on the path", f"""
import sys
sys.meta_path[:] = [m for m in sys.meta_path if 'Absent' not in type(m).__name__]
sys.path.insert(0, {str(ROOT)!r})
import videoformer_edu.sheets
got = True
"""),
        sees("the package from its file", f"""
import importlib.util as u
spec = u.spec_from_file_location('s', {str(PACKAGE / 'sheets' / 'oracles.py')!r})
spec.loader.exec_module(u.module_from_spec(spec))
got = True
"""),
        sees("a folder's list of names", f"import os\ngot = bool(os.listdir({str(ROOT)!r}))"),
        sees("the worked answer in memory", """
import gc, types
got = any(getattr(o, '__name__', '') in ('soft_oracle', 'conclude', 'prepare', 'soft_cases') for o in gc.get_objects())
"""),
        sees("the frames above", """
import sys
frame = sys._getframe()
while frame is not None:
    got = got or any(name in ('expected', 'exercise', 'oracle', 'sheet') for name in frame.f_locals)
    frame = frame.f_back
"""),
        sees("the environment", """
import os
got = any('SEED' in name or 'PYTEST' in name or 'videoformer' in value for name, value in os.environ.items())
"""),
        sees("the command line", "got = 'videoformer' in open('/proc/self/cmdline').read()"),
        sees("inherited files", """
import os, stat
for number in range(3, 256):
    try:
        kind = os.fstat(number).st_mode
    except OSError:
        continue
    got = got or stat.S_ISSOCK(kind) or stat.S_ISFIFO(kind) or number not in (11,)
"""),
        sees("the parent's memory", f"got = bool(open('/proc/{parent}/maps').read())"),
        sees("the memory of its own parent", "import os\ngot = bool(open(f'/proc/{os.getppid()}/mem', 'rb').read(1))"),
        sees("the environment of process 1", "got = bool(open('/proc/1/environ', 'rb').read())"),
        sees("tracing the parent", LIBC + f"got = libc.ptrace(16, {parent}, 0, 0) == 0"),
        sees("reading the parent's memory by system call", LIBC + f"""
buffer = ctypes.create_string_buffer(8)
there = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
got = libc.process_vm_readv({parent}, there, 1, there, 1, 0) > 0
"""),
        sees("a signal to the parent", f"import os\nos.kill({parent}, 0)\ngot = True"),
        sees("a new network connection", "import socket\nsocket.socket().connect(('127.0.0.1', 80))\ngot = True"),
        sees("a socket of any kind", "import socket\nsocket.socket(socket.AF_UNIX)\ngot = True"),
        sees("a page of the network", "import urllib.request\ngot = bool(urllib.request.urlopen('http://127.0.0.1'))"),
        sees("another program", """
import subprocess
got = bool(subprocess.run(['/bin/ls', '/'], capture_output=True).stdout)
"""),
        sees("becoming another program", "import os, sys\nos.execv(sys.executable, ['python', '-V'])\ngot = True"),
        sees("a child of its own", "import os\npid = os.fork()\nif not pid: os._exit(0)\ngot = True"),
        sees("a mount", LIBC + "got = libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0"),
        sees("namespaces", LIBC + "got = libc.unshare(0x10000000) == 0"),
        sees("another user", "import os\nos.setuid(4321)\ngot = True"),
        sees("higher limits", """
import resource
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
got = True
"""),
        sees("writing into the libraries", "open(torch.__file__, 'a').write('# owned')\ngot = True"),
        sees("a file for the next child", "open('/tmp/left-behind', 'w').write('answer')\ngot = True"),
        sees("shared memory for the next child", "open('/dev/shm/left-behind', 'w').write('answer')\ngot = True"),
        sees("System V memory for the next child", LIBC + "got = libc.shmget(77, 4096, 0o1666) >= 0"),
        sees("a word from standard input", "import sys\ngot = bool(sys.stdin.read(1))"),
        sees("a key of the kernel's", LIBC + "got = libc.syscall(248, b'user', b'left', b'x', 1, -2) > 0"),
        wrong("killing everything", """
import os, signal
for pid in (-1, 0, os.getppid()):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
""", outcome=""),
        wrong("a daemon that waits for the next child", """
import os, time
if not os.fork():
    os.setsid()
    if not os.fork():
        while True:
            time.sleep(0.1)
            os.kill(-1, 9)
    os._exit(0)
"""),
        Attack("the package's own function", "from videoformer_edu.attention.core import attention\n\n"
                                             "def soft(x, scale):\n    return attention(x, x, x)\n", 0.0, "crashed"),
    )
