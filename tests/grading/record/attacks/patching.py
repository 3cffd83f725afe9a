"""Wrong answers that change the tools around them: libraries, built-in names, the grader's own code in the child."""

from __future__ import annotations

from tests.grading.record.attacks.attack import Attack, wrong

GRADER = """
import sys
frame, there = sys._getframe(), {}
while frame is not None:
    there.update({k: v for k, v in frame.f_globals.items() if k not in there})
    last, frame = frame.f_globals, frame.f_back
    for name in NAMES:
        if name in last:
            last[name] = NEW
"""


def in_the_grader(name: str, names: tuple[str, ...], new: str, points: float = 0.0, outcome: str = "wrong") -> Attack:
    return wrong(name, GRADER.replace("NAMES", repr(names)).replace("NEW", new), points, outcome)


ATTACKS = (
    wrong("torch compares everything as equal", "torch.allclose = torch.equal = torch.isclose = lambda *a, **k: True"),
    wrong("numpy compares everything as equal", """
import numpy
numpy.allclose = numpy.array_equal = numpy.isclose = lambda *a, **k: True
numpy.testing.assert_allclose = lambda *a, **k: None
numpy.abs = numpy.argwhere = lambda *a, **k: 0.0
"""),
    wrong("einops gives what is asked for", "einops.rearrange = einops.repeat = einops.reduce = lambda x, *a, **k: x"),
    wrong("all, any, abs, max and isinstance agree", """
import builtins
builtins.all = builtins.any = builtins.isinstance = lambda *a: True
builtins.abs = builtins.max = lambda *a, **k: 0
""", outcome=""),
    wrong("tensors equal everything", "torch.Tensor.__eq__ = torch.Tensor.__ne__ = lambda *a: True"),
    wrong("tensors become other arrays", "torch.Tensor.numpy = lambda self: 'right'", outcome=""),
    wrong("the package's judge is replaced",
          "import videoformer_edu.grading.conclude as c\nc.judge = c.conclude = lambda *a, **k: 10"),
    wrong("a package of the same name", """
import sys, types
for name in ("videoformer_edu", "videoformer_edu.grading", "videoformer_edu.grading.conclude"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["videoformer_edu.grading.conclude"].conclude = lambda *a: 10
"""),
    wrong("json writes other words", "import json\njson.dumps = lambda *a, **k: '{\"points\": 10}'", outcome="forged"),
    wrong("os.write writes other bytes", "import os\nwrite = os.write\nos.write = lambda f, b: write(f, b'right')",
          outcome="crashed"),
    wrong("time stands still", "import time\ntime.time = time.monotonic = time.perf_counter = lambda: 0.0"),
    wrong("seeds are fixed", """
import random, numpy as np
np.random.default_rng = lambda *a: random.Random(0)
torch.manual_seed = np.random.seed = random.seed = lambda *a: None
"""),
    wrong("a trace function in every frame",
          "import sys\nsys.settrace(lambda *a: None); sys.setprofile(lambda *a: None)"),
    wrong("an audit hook that refuses to write",
          "import sys\ndef hook(event, args):\n    if event == 'open': raise SystemExit\nsys.addaudithook(hook)"),
    in_the_grader("the child's reader says right", ("read",), "lambda r: 'right'", outcome=""),
    in_the_grader("the child's writer says right", ("packed",), "lambda given: b'right'", outcome="forged"),
    in_the_grader("the child's collect brings nothing", ("collect", "_collect"), "lambda *a: ('right',)", outcome=""),
    in_the_grader("the child reports a crash of its own", ("alike", "unchanged"), "lambda *a: 1 / 0", outcome=""),
    in_the_grader("the child's comparison of arguments", ("unchanged",), "lambda *a: True"),
    wrong("every class says that it is a tensor",
          "import torch\ntype(torch.Tensor).__instancecheck__ = lambda *a: True"),
    wrong("exit never exits", "import os\nos._exit = lambda *a: None"),
    wrong("a finaliser that prints a score", """
import atexit, sys
atexit.register(lambda: print('10 of 10 points'))
class Late:
    def __del__(self): sys.stdout.write('{"points": 10}')
keep = Late()
"""),
)
