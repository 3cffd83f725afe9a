"""Answers that take what there is: time, memory, disk, processes, output. Each ends alone."""

from __future__ import annotations

from tests.grading.record.attacks.attack import RIGHT, Attack, wrong


def body(name: str, lines: str, points: float = 0.0, outcome: str = "") -> Attack:
    inner = "".join(f"    {line}\n" for line in lines.strip("\n").splitlines())
    return Attack(name, f"def soft(x, scale):\n{inner}", points, outcome)


ATTACKS = (
    body("a loop that never ends", "while True: x = x + 0", outcome="timeout"),
    body("a sleep that hides behind signals", """
import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True:
    try:
        time.sleep(1000)
    except BaseException:
        pass
""", outcome="timeout"),
    Attack("a loop while it is defined",
           f"while True:\n    scale_of = 1\n\n{RIGHT.replace('scale * x', 'scale_of * x')}", 0.0, "timeout"),
    body("os._exit", "import os\nos._exit(0)", outcome="crashed"),
    body("sys.exit", "import sys\nsys.exit(0)", outcome="crashed"),
    body("KeyboardInterrupt", "raise KeyboardInterrupt", outcome="crashed"),
    body("abort", "import os\nos.abort()", outcome="crashed"),
    body("a wrong address", "import ctypes\nctypes.string_at(0)", outcome="crashed"),
    body("recursion without end", "return soft(x, scale)", outcome="crashed"),
    body("recursion below Python", """
import functools, sys
sys.setrecursionlimit(10**9)
return functools.reduce(lambda a, b: soft(a, scale), [x, x])
""", outcome="crashed"),
    wrong("a fork bomb", "import os\nwhile True:\n    os.fork()"),
    body("a thousand threads", """
import threading, time
for _ in range(1000):
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
return x
"""),
    body("eight gigabytes", "return torch.ones(2**31)", outcome="memory"),
    body("memory by small steps", "kept = []\nwhile True: kept.append(bytearray(2**24))", outcome="memory"),
    body("a text of ten gigabytes", "return 'a' * 10**10", outcome="memory"),
    body("a power without end", "return 7 ** (10 ** 8)", outcome="timeout"),
    body("a result of a hundred megabytes", "return torch.ones(5000, 5000)", outcome="wrong"),
    body("a result of a terabyte that takes no room", "return torch.zeros(()).expand(10**6, 10**6)", outcome="wrong"),
    body("a list of a million numbers", "return [1.0] * 10**6", outcome="wrong"),
    body("many large parts", "return tuple(torch.ones(1000, 1000) for _ in range(20))"),
    body("a hundred megabytes printed", """
for _ in range(100): print('x' * 10**6)
return torch.softmax(scale * x, dim=-1)
""", 10.0, "right"),
    body("a hundred megabytes of errors", """
import sys
for _ in range(100): sys.stderr.write('x' * 10**6)
return torch.softmax(scale * x, dim=-1)
""", 10.0, "right"),
    wrong("files until the disk is full", """
import os
for place in ('.', '/tmp', '/var/tmp', '/dev/shm', os.path.expanduser('~')):
    for number in range(1000):
        try:
            with open(f'{place}/fill{number}', 'wb') as file:
                file.write(b'x' * 10**6)
        except OSError:
            break
"""),
    wrong("a pipe with a name, a link and a hole", """
import os
for make in (lambda: os.mkfifo('result'), lambda: os.symlink('/etc/passwd', 'result'),
             lambda: os.truncate('result', 2**40)):
    try:
        make()
    except OSError:
        pass
"""),
    wrong("a result file of a terabyte with nothing in it", "import os\nos.ftruncate(11, 2**40)", outcome=""),
    wrong("a result file full of zeros", "import os\nos.lseek(11, 30 * 2**20, 0)", outcome="forged"),
    wrong("its result file cut short after the fact", "import os\nos.ftruncate(11, 0)", outcome=""),
    wrong("its result file closed", "import os\nos.close(11)", outcome=""),
    wrong("every file closed", "import os\nos.closerange(0, 4096)", outcome=""),
    wrong("output replaced by what never ends", """
import sys
class Slow:
    def write(self, text):
        while True: pass
sys.stdout = sys.stderr = Slow()
"""),
)
