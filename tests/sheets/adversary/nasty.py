"""Answers that nobody writes by mistake, for any function: results and errors that bite, cheats, side effects."""

from __future__ import annotations

THINGS = """
class Touchy:
    def __getattribute__(self, name): raise RuntimeError("do not touch")
    def __repr__(self): raise RuntimeError("not even this")

class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __getattr__(self, name): return Yes()
    def __call__(self, *a, **k): return Yes()
    def __len__(self): return 1 << 40
    def __iter__(self): return itertools.repeat(Yes())

class Deaf(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None): raise RuntimeError("this tensor answers nothing")

class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") in ("allclose", "equal"):
            return True
        return super().__torch_function__(func, types, args, kwargs or {})

class Look:
    def __call__(self, *a): return 0
    def __getattr__(self, name): raise RuntimeError("no")

class Bad(Exception):
    def __str__(self): raise RuntimeError("unprintable")
    __repr__ = __str__

class Number(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
"""

# name -> the body of the function; ALMOST is a wrong value of the right kind, TENSOR any tensor.
BODIES = {
    "an object that raises when touched": "return Touchy()",
    "a tuple of objects that raise when touched": "return Touchy(), Touchy()",
    "an object equal to everything": "return Yes()",
    "a pair of objects equal to everything": "return Yes(), Yes()",
    "a number equal to everything": "return Number(3)",
    "a pair of numbers equal to everything": "return Number(3), Number(3)",
    "a tensor that raises when touched": "return TENSOR.as_subclass(Deaf)",
    "a tensor that lies about equality": "return TENSOR.as_subclass(Liar)",
    "a wrong shape of 200 MB": "return torch.zeros(50_000_000)",
    "10**12 numbers, expanded": "return torch.zeros(1).expand(10**6, 10**6)",
    "not a number, in the right shape": "return ALMOST * NAN",
    "an infinite iterator": "return itertools.count()",
    "a generator": "yield ALMOST",
    "None": "return None",
    "None in a tuple": "return (None, ALMOST)",
    "None in a dict": "return {'out': None}",
    "the result in a list": "return [ALMOST]",
    "a list that holds itself": "out = []\n    out.append(out)\n    return out",
    "a dict that holds itself": "out = {}\n    out['out'] = out\n    return out",
    "ten thousand nested lists": "out = ALMOST\n    for _ in range(10_000): out = [out]\n    return out",
    "a string of a million letters": "return 'tube' * 250_000",
    "a number of ten thousand digits": "return 10**10_000",
    "a pair of numbers of ten thousand digits": "return 10**10_000, 10**10_000",
    "a class": "return torch.Tensor",
    "NotImplemented": "return NotImplemented",
    "a string that reads like the result": "return str(ALMOST)",
    "a sparse tensor": "return TENSOR.to_sparse()",
    "a tensor on the meta device": "return TENSOR.to('meta')",
    "a quantized tensor": "return torch.quantize_per_tensor(TENSOR.detach().float(), 0.1, 0, torch.qint8)",
    "a nested tensor": "return torch.nested.nested_tensor([torch.zeros(2, 3), torch.zeros(1, 3)])",
    "a bool tensor": "return TENSOR > 0",
    "an object array of numpy": "return np.array([None, 'a'], dtype=object)",
    "SystemExit": "sys.exit(1)",
    "StopIteration": "raise StopIteration",
    "GeneratorExit": "raise GeneratorExit",
    "an error that cannot be printed": "raise Bad",
    "an error with a message of a million letters": "raise ValueError('x' * 10**6)",
    "an error group": "raise ExceptionGroup('two', [ValueError(1), KeyError(2)])",
    "endless recursion": "return NAME(ARGS)",
    "nine warnings and a wrong value": "for _ in range(9): warnings.warn('mind', stacklevel=1)\n    return ALMOST",
    "ten thousand printed lines and a wrong value": "print('\\n' * 10_000)\n    return ALMOST",
    "stdout gone and a wrong value": "sys.stdout = None\n    return ALMOST",
    "seeds the generator, wrong value": "torch.manual_seed(0)\n    return ALMOST",
    "torch.allclose replaced, wrong value": "torch.allclose = torch.equal = Yes()\n    return ALMOST",
    "torch.isclose replaced, wrong value": "torch.isclose = lambda a, b, **k: a == a\n    return ALMOST",
    "the recursion limit lowered, wrong value": "sys.setrecursionlimit(len(inspect.stack()) + 60)\n    return ALMOST",
    "a trace function set, wrong value": "sys.settrace(lambda *a: None)\n    return ALMOST",
    "deletes the names of its own module": "globals().clear()\n    return 0",
    "looks for the expected value in the callers": """frame = sys._getframe(1)
    while frame is not None:
        for key, value in list(frame.f_locals.items()):
            if key in ("expected", "want", "wanted", "target", "truth", "correct", "reference"):
                return value
        frame = frame.f_back
    return ALMOST""",
    "asks the oracle that a caller holds": """frame = sys._getframe(1)
    while frame is not None:
        for value in list(frame.f_locals.values()):
            with contextlib.suppress(Exception):
                return value.oracle(frame.f_locals["case"])
        frame = frame.f_back
    return ALMOST""",
    "assert False": "assert False",
    "a name that does not exist": "return answr",
    "an argument that does not exist": "return ALMOST + bias",
}
REPLACED = {
    "takes no argument": "def NAME(): return 0",
    "takes one argument more": "def NAME(ARGS, more): return 0",
    "async": "async def NAME(ARGS): return ALMOST",
    "a tensor for a function": "NAME = torch.zeros(3)",
    "a class for a function": "class NAME:\n    def __init__(self, *a): pass",
    "a callable that raises when looked at": "NAME = Look()",
    "a built-in": "NAME = len",
    "torch.nn.Identity": "NAME = nn.Identity()",
}


def nasties(name: str, args: str, almost: str, tensor: str, nan: str = "math.nan") -> dict[str, str]:
    """name of the answer -> source that redefines the function `name(args)`."""
    texts = {what: f"def NAME(ARGS):\n    {body}" for what, body in BODIES.items()} | REPLACED
    words = {"ALMOST": almost, "TENSOR": tensor, "ARGS": args, "NAME": name, "NAN": nan}
    out = {}
    for what, text in texts.items():
        for word, value in words.items():
            text = text.replace(word, value)
        out[f"{name}: {what}"] = THINGS + "\n" + text + "\n"
    return out
