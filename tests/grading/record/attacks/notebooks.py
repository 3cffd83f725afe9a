"""What is odd about the cells themselves: names, doubles, halves, magics, text that is hard to read as Python."""

from __future__ import annotations

from tests.grading.record.attacks.attack import RIGHT, Attack

HALF = RIGHT.splitlines()[0]

ATTACKS = (
    Attack("empty", "", 0.0, "not attempted"),
    Attack("only a comment", "# soft(x, scale)", 0.0, "not attempted"),
    Attack("the stub", "def soft(x, scale):\n    \"\"\"x -> the same.\"\"\"\n    ...  # your code here\n", 0.0,
           "not attempted"),
    Attack("another name", RIGHT.replace("soft(", "soft2(", 1), 0.0, "not attempted"),
    Attack("doubled, the stub last", f"{RIGHT}\n\ndef soft(x, scale):\n    ...\n", 10.0, "right"),
    Attack("doubled, the wrong one last", f"{RIGHT}\n\ndef soft(x, scale):\n    return x\n", 0.0, "wrong"),
    Attack("magics and shell lines", f"%matplotlib inline\n!pip install something\n{RIGHT}\nsoft?\nfiles = !ls\n", 10.0,
           "right"),
    Attack("a cell that is timed", f"%%time\n{RIGHT}", 10.0, "right"),
    Attack("a cell of another language", f"%%bash\n{RIGHT}", 0.0, "not attempted"),
    Attack("a broken line behind it", f"{RIGHT}\nprint(soft(\n", 10.0, "right"),
    Attack("a broken function before it", f"def other(:\n    return\n\n{RIGHT}", 10.0, "right"),
    Attack("broken itself", f"{HALF}\n    return torch.softmax(scale * x, dim=-1\n", 0.0, "crashed"),
    Attack("its trials crash, and do not run", f"{RIGHT}\nassert False\nsoft(1, 2, 3)\nraise SystemExit\n", 10.0,
           "right"),
    Attack("a check and a hint in the cell", f"from videoformer_edu.sheets import sheet\nex1, = sheet('04')\n{RIGHT}\n"
                                             "ex1.check(soft)\n", 10.0, "right"),
    Attack("helpers, constants and imports of its own", """
import math as m
from functools import reduce as fold
RATE = m.sqrt(4) / 2
def scaled(x, scale): return RATE * scale * x
class Softmax:
    def __call__(self, x): return x.softmax(-1)
def soft(x, scale):
    return Softmax()(fold(lambda a, f: f(a), [lambda y: scaled(y, scale)], x))
""", 10.0, "right"),
    Attack("a lambda", "soft = lambda x, scale: (scale * x).softmax(-1)\n", 10.0, "right"),
    Attack("a table that is filled in later", "table = {}\ntable['axis'] = -1\n"
                                              "def soft(x, scale):\n    return (scale * x).softmax(table['axis'])\n",
           10.0, "right"),
    Attack("a class in place of the function", "class soft:\n    def __init__(self, x, scale): pass\n", 0.0, "crashed"),
    Attack("a module in place of the function", "soft = nn.Softmax(-1)\n", 0.0),
    Attack("other arguments", "def soft(x):\n    return x.softmax(-1)\n", 0.0, "crashed"),
    Attack("line ends of another system", RIGHT.replace("\n", "\r\n"), 10.0, "right"),
    Attack("a byte order mark", f"\ufeff{RIGHT}", 10.0, "right"),
    Attack("null characters", f"\0{RIGHT}\0", 10.0, "right"),
    Attack("half of a letter in a comment", f"# \ud800\n{RIGHT}", 10.0, "right"),
    Attack("letters that look alike", RIGHT.replace("soft(", "s\u043eft(", 1), 0.0, "not attempted"),
    Attack("tabs and spaces", f"{HALF}\n\ty = scale * x\n        return y.softmax(-1)\n", 0.0, "crashed"),
    Attack("ten thousand brackets", f"deep = {'(' * 10000}{')' * 10000}\n", 0.0, "not attempted"),
    Attack("fifty thousand signs", f"deep = {'-' * 50000}1\n{RIGHT}", 10.0, "right"),
    Attack("fifty thousand sums", f"deep = {'1+' * 40000}1\n", 0.0, "not attempted"),
    Attack("a cell of ten megabytes", f"{RIGHT}\ntext = '{'x' * 10**7}'\n", 0.0, "not attempted"),
    Attack("a decorator that ends the process", f"import os\ndef out(f): os._exit(0)\n@out\n{RIGHT}", 0.0, "crashed"),
    Attack("a default value that ends the process",
           f"import os\n{RIGHT.replace('scale):', 'scale, y=os._exit(0)):', 1)}", 0.0, "crashed"),
    Attack("a module that nobody has imported before", "import colorsys\n" + RIGHT.replace(
        "return ", "keep = colorsys.rgb_to_hls(0, 0, 0)\n    return "), 10.0, "right"),
    Attack("everything from a package", f"from torch import *\n{RIGHT}", 10.0, "right"),
    Attack("everything from a package that is not there", f"from videoformer_edu.layers import *\n{RIGHT}", 10.0,
           "right"),
)
