"""Answers that hand back something else than a result: forged records, liars, bombs."""

from __future__ import annotations

from tests.grading.record.attacks.attack import RIGHT, Attack, wrong

RESULT = 11  # the number of the open file for results; an answer finds it by trying


def record(name: str, message: str, outcome: str = "forged", exits: bool = True) -> Attack:
    """The bytes of `message` stand where the record of a call should."""
    ends = "\nos._exit(0)" if exits else ""
    return wrong(name, f"import os, json, struct\nos.write({RESULT}, {message}){ends}", 0.0, outcome)


def behind(outline: str, extra: str = "b''") -> str:
    """A record around an outline in JSON, with bytes of arrays behind it."""
    return (f"(lambda o, e: (len(o) + len(e) + 8).to_bytes(8, 'little') + len(o).to_bytes(8, 'little') + o + e)"
            f"({outline}, {extra})")


GIVEN = ('{"dict": [["returned", {"dict": [["kind", "tensor"], ["value", VALUE], ["dtype", "float32"], '
         '["seen", ""]]}], ["crash", null], ["stub", false], ["waits", []], ["changed", []], ["random", false], '
         '["gradients", null], ["gradient_crash", null], ["late", null]]}')


def result(name: str, value: str, extra: str = "b''", outcome: str = "forged") -> Attack:
    return record(name, behind(f"{GIVEN.replace('VALUE', value)!r}.encode()", extra), outcome)


def gradient(name: str, made: str, points: float = 7.5) -> Attack:
    """Right values, and a gradient that is forged by an autograd function of one's own."""
    return Attack(name, f"""
class Forged(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        return torch.softmax(scale * x, dim=-1)
    @staticmethod
    def backward(ctx, grad):
        x, = ctx.saved_tensors
        return {made}, None


def soft(x, scale):
    return Forged.apply(x, scale)
""", points, "partly")


def returns(name: str, expression: str, before: str = "", outcome: str = "wrong") -> Attack:
    return Attack(name, f"{before}\ndef soft(x, scale):\n    return {expression}\n", 0.0, outcome)


ATTACKS = (
    record("a score in words", "b'{\"points\": 10, \"outcome\": \"right\"}'", "crashed"),
    record("zeros", "b'\\0' * 1000"),
    record("a record that never ends", "struct.pack('<Q', 2**63 - 1)", "crashed"),
    record("half a record", "struct.pack('<Q', 500) + b'abc'", "crashed"),
    record("a pickle", "b'\\x80\\x04cos\\nsystem\\n(S\"touch /tmp/owned\"\\ntR.'", "crashed"),
    record("JSON within JSON within JSON", behind("b'[' * 100000 + b']' * 100000")),
    record("a number of a million digits", behind("b'9' * 1000000")),
    record("an outcome of its own", behind("""b'{"dict": [["outcome", "right"], ["points", 10]]}'""")),
    record("a record too many", behind("b'null'"), exits=False),
    result("an array of a terabyte in four bytes", '{"array": ["float32", [1000000, 1000000]]}', "b'abcd'"),
    result("an array of objects", '{"array": ["object", [1]]}', "b'abcdefgh'"),
    result("an axis of minus one", '{"array": ["float32", [-1, 5]]}'),
    result("axes that multiply to nothing", '{"array": ["float32", [1099511627776, 1099511627776, 0]]}', outcome=""),
    result("a shape with no numbers behind it", '{"form": ["float32", [1, 5]]}', outcome=""),
    result("another dtype than it says", '{"array": ["float64", [1, 5]]}', "b'\\0' * 40"),
    result("an array of thirty-three axes", '{"array": ["float32", [' + "1, " * 32 + '1]]}', "b'\\0' * 4"),
    gradient("an infinite gradient", "torch.full_like(x, float('inf'))"),
    gradient("a gradient that is no number", "torch.full_like(x, float('nan'))"),
    gradient("an enormous gradient", "torch.full_like(x, 1e30)"),
    gradient("a gradient of zeros", "torch.zeros_like(x)"),
    Attack("no gradient, and the report of one left out", """
def soft(x, scale):
    import sys
    frame = sys._getframe()
    while frame is not None:
        if "gradients" in frame.f_globals:
            frame.f_globals["gradients"] = lambda *a: None
        frame = frame.f_back
    with torch.no_grad():
        return torch.softmax(scale * x, dim=-1)
""", 7.5, "partly"),
    returns("a tensor that equals everything", "Equal(x)", """
class Equal(torch.Tensor):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0
    @classmethod
    def __torch_function__(cls, *a, **k): return torch.zeros(())
""", ""),
    returns("an array that equals everything", "x.detach().numpy().view(Equal)", """
class Equal(np.ndarray):
    def __eq__(self, other): return True
    def __array_ufunc__(self, *a, **k): return True
"""),
    returns("an object that says it is a tensor", "Liar()", """
class Liar:
    __class__ = torch.Tensor
    shape, dtype = (1, 5), torch.float32
    def __getattr__(self, name): return lambda *a, **k: self
""", ""),
    returns("an object that runs code when it is unpickled", "Bomb()", """
class Bomb:
    def __reduce__(self): return eval, ("__import__('os')._exit(0)",)
"""),
    returns("a dict that never ends", "Endless()", """
import collections.abc, itertools
class Endless(collections.abc.Mapping):
    def __len__(self): return 1
    def __getitem__(self, key): return self
    def __iter__(self): return iter(range(10**5))
""", ""),
    returns("tuples within tuples", "deep", "deep = ()\nfor _ in range(5000):\n    deep = (deep,)\n"),
    returns("a list that holds itself", "loop", "loop = []\nloop = [loop, loop]\n"),
    returns("a number of ten thousand digits", "10 ** 10000"),
    returns("text with control characters", r"'\x1b[2J\x00</script><script>alert(1)</script>\u202e=cmd()'"),
    returns("half of a letter", r"'\ud800'", outcome=""),
    Attack("an exception that never stops talking", """
class Loud(Exception):
    def __str__(self): return "right " * 10**5
def soft(x, scale):
    raise Loud
""", 0.0, "crashed"),
    Attack("an exception with a name of a megabyte",
           "def soft(x, scale):\n    raise type('R' * 10**6, (Exception,), {})\n", 0.0),
    Attack("an exception that raises when it is printed", """
class Odd(Exception):
    def __str__(self): raise SystemExit(0)
def soft(x, scale):
    raise Odd
""", 0.0, "crashed"),
    Attack("hard-coded results of the notebook's cases", """
def soft(x, scale):
    table = {(1, 5): 0.2, (3, 4): 0.25, (2, 9): 1 / 9}
    return torch.full_like(x, table[tuple(x.shape)])
""", 0.0, "wrong"),
    Attack("it writes into its input", "def soft(x, scale):\n    x.data *= scale\n    return x.softmax(-1)\n", 0.0,
           "wrong"),
    Attack("it writes into its input and hides that (only reported, so it gets through)", """
def soft(x, scale):
    out = torch.softmax(scale * x, dim=-1)
    import sys
    frame = sys._getframe()
    while frame is not None:
        if "unchanged" in frame.f_globals:
            frame.f_globals["unchanged"] = lambda *a: True
        frame = frame.f_back
    return out
""", 10.0, "right"),
    Attack("the right answer after forged noise on other files", f"""
import os
for number in (1, 2, 3, 4, 9):
    try:
        os.write(number, b'noise')
    except OSError:
        pass
{RIGHT}""", 10.0, "right"),
)
