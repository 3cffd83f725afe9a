"""The edge between plain arrays and the learner's torch code: arguments in, the call, what came back.

Nothing here knows an oracle or a right answer, so this is all that a child process needs. An endless loop cannot be
stopped from inside a notebook: the learner interrupts the kernel, which is why KeyboardInterrupt passes through.
"""

from __future__ import annotations

import dis
import inspect
import linecache
import sys
import sysconfig
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

import numpy as np
import torch

from videoformer_edu.grading.settings import plain_settings

NO_ANSWER = (type(None), type(...))
LARGE = 10**6  # numbers; a result of another shape than the right one is copied only up to there


@dataclass(frozen=True)
class Crash:
    """An exception inside the answer: its kind and words, and the learner's own line that it came from."""

    kind: str
    words: str
    line: int | None = None
    text: str = ""
    place: str = ""

    def __str__(self) -> str:
        said = f"{self.kind}: {self.words}" if self.words else self.kind
        if self.line is None:
            return said
        return f"{self.place}, line {self.line}: {self.text}\n{said}"


@dataclass(frozen=True, eq=False)
class Given:
    """What one call gave: `value` as an array (None if it is no array), or a crash, or what is odd about it."""

    value: np.ndarray | None = None
    kind: str = ""  # "tensor", "array", "numbers", "nothing" or "other"
    dtype: str = ""
    seen: str = ""  # the returned object in a few words
    crash: Crash | None = None
    changed: tuple[str, ...] = ()  # arguments that the answer wrote into
    stub: bool = False  # the stub was still there


def to_torch(value):
    """Arrays become tensors of their own memory, dicts of arrays become dicts of tensors, numbers stay."""
    if isinstance(value, np.ndarray):
        return torch.tensor(value)
    if isinstance(value, Mapping):
        return {key: to_torch(part) for key, part in value.items()}
    return value


@plain_settings()
def call(function: Callable, inputs: Mapping[str, object], shape: tuple[int, ...] | None = None) -> Given:
    """Call the answer with the case's inputs. Exceptions become a `Crash`, except the learner's own interrupt.

    shape: of a right result. Of a large result of another shape nothing but the shape is read.
    """
    arguments = {name: to_torch(value) for name, value in inputs.items()}
    refused = wrong_signature(function, inputs)
    if refused:
        return Given(crash=Crash("TypeError", refused))
    try:
        returned = function(*arguments.values())
    except KeyboardInterrupt:
        raise
    except NotImplementedError as error:
        if is_stub(function):
            return Given(kind="nothing", stub=True)
        return Given(crash=crash_of(error))
    except BaseException as error:  # noqa: B902 - sys.exit and the like are answers that crash, not our end
        return Given(crash=crash_of(error))
    try:
        given = read(returned, shape)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an object that raises when looked at
        given = Given(kind="other", seen=f"an object of type {type(returned).__name__} that cannot be read "
                                         f"({type(error).__name__})")
    changed = tuple(name for name, value in inputs.items() if not unchanged(arguments[name], value))
    stub = given.kind == "nothing" and (returned is ... or is_stub(function))
    return Given(given.value, given.kind, given.dtype, given.seen, changed=changed, stub=stub)


def read(returned: object, shape: tuple[int, ...] | None = None) -> Given:
    """The returned object as a plain array of its own, and what it was."""
    if isinstance(returned, NO_ANSWER):
        return Given(kind="nothing", seen=repr(returned))
    if isinstance(returned, torch.Tensor):
        plain = torch.Tensor.detach(returned)
        found = tuple(plain.shape)
        if shape not in (None, found) and plain.numel() > LARGE:
            value = np.broadcast_to(np.float32(0), found)
        else:
            plain = plain.cpu().resolve_conj().resolve_neg()
            value = (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy().copy()
        return Given(value, "tensor", str(plain.dtype).removeprefix("torch."), f"a tensor of shape {found}")
    if isinstance(returned, np.ndarray | np.generic):
        found, dtype = tuple(np.shape(returned)), np.asarray(returned).dtype
        seen = f"a NumPy array of shape {found}"
        if dtype.kind not in "biufc":
            return Given(kind="other", seen=f"{seen} that holds {'objects' if dtype.kind == 'O' else dtype}")
        large = shape not in (None, found) and np.size(returned) > LARGE
        value = np.broadcast_to(dtype.type(0), found) if large else np.array(returned, subok=False)
        return Given(value, "array", str(dtype), seen)
    if isinstance(returned, int | float) or (isinstance(returned, list | tuple) and returned
                                             and all(is_number(part) for part in returned)):
        value = np.array([number(part) for part in returned] if isinstance(returned, list | tuple)
                         else number(returned))
        if value.dtype.kind not in "biuf":
            return Given(kind="other", seen="numbers of more than 64 bits")
        return Given(value, "numbers", str(value.dtype), repr(returned)[:80])
    if isinstance(returned, list | tuple):
        return Given(kind="other", seen=f"a {type(returned).__name__} of {len(returned)}")
    return Given(kind="other", seen=f"an object of type {type(returned).__name__}")


def is_number(part: object) -> bool:
    scalar = isinstance(part, torch.Tensor | np.ndarray) and part.ndim == 0
    return isinstance(part, int | float | np.number) or scalar


def number(part):
    return part.item() if hasattr(part, "item") else part


def unchanged(argument: object, value: object) -> bool:
    """Is the argument still what the case holds, after the answer had it in its hands?"""
    try:
        if isinstance(value, np.ndarray):
            return tuple(argument.shape) == value.shape and bool((argument.detach().numpy() == value).all())
        if isinstance(value, Mapping):
            return set(argument) == set(value) and all(unchanged(argument[key], value[key]) for key in value)
    except Exception:  # the answer put something into it that is no such array
        return False
    return True


@plain_settings()
def gradient_reaches(function: Callable, inputs: Mapping[str, object]) -> str | None:
    """None, or why no gradient gets from the output back to the first argument."""
    arguments = {name: to_torch(value) for name, value in inputs.items()}
    first = next(iter(arguments))
    x = arguments[first].requires_grad_()
    try:
        out = function(*arguments.values())
        if not out.requires_grad:
            return f"the result is cut off from `{first}`"
        weight = torch.linspace(0.5, 1.5, out.numel()).reshape(out.shape)  # a plain sum can have a zero gradient
        (gradient,) = torch.autograd.grad((out * weight).sum(), x, allow_unused=True)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return f"{type(error).__name__}: {words_of(error)}"
    if gradient is None or not bool(gradient.abs().sum() > 0):
        return f"the result is cut off from `{first}`"
    return None if bool(gradient.isfinite().all()) else "the gradient holds nan or infinite numbers"


# --------------------------------------------------------------------------------------------- looking at the answer


def wrong_signature(function: Callable, inputs: Mapping[str, object]) -> str | None:
    """A sentence, if the function cannot take the arguments of the stub."""
    try:
        signature = inspect.signature(function)
    except Exception:  # no signature to look at: the call itself will tell
        return None
    try:
        signature.bind(*inputs)
    except TypeError:
        name = function.__name__ if inspect.isfunction(function) else "your function"
        return (f"{name} was called with the arguments of the stub, ({', '.join(inputs)}), but it is written as "
                f"{name}{signature}; put the arguments back in that order")
    return None


def is_stub(function: Callable) -> bool:
    """Does the body consist of nothing but a docstring, `...`, `pass` or `raise NotImplementedError`?"""
    code = None
    with suppress(Exception):
        code = function.__code__
    if not isinstance(code, CodeType):
        return False
    reads = {i.opname for i in dis.get_instructions(code)
             if i.opname.startswith(("LOAD_FAST", "STORE", "CALL", "BINARY", "LOAD_DEREF", "LOAD_ATTR"))}
    return not reads and set(code.co_names) <= {"NotImplementedError"}


def words_of(error: BaseException) -> str:
    """The exception's words in one line, even when it cannot be printed."""
    try:
        return " ".join(str(error).split())[:300].encode("utf-8", "replace").decode()
    except KeyboardInterrupt:
        raise
    except BaseException:
        return "(an exception that cannot be printed)"


def crash_of(error: BaseException) -> Crash:
    """The exception and the deepest line that the learner wrote (not torch's, not the grader's)."""
    own, steps = None, error.__traceback__
    while steps is not None:
        if not is_library(steps.tb_frame.f_code.co_filename):
            own = steps
        steps = steps.tb_next
    if own is None:
        return Crash(type(error).__name__, words_of(error))
    code, line = own.tb_frame.f_code, own.tb_lineno
    text = linecache.getline(code.co_filename, line, own.tb_frame.f_globals).strip()
    return Crash(type(error).__name__, words_of(error), line, text or "(source not kept)",
                 f"{cell_name(code.co_filename)}in {code.co_name}")


LIBRARIES = tuple({sysconfig.get_paths()[key] for key in ("stdlib", "purelib", "platlib")}) + (
    str(Path(torch.__file__).parent), str(Path(__file__).parent))


def is_library(filename: str) -> bool:
    return filename.startswith((*LIBRARIES, "<frozen", "<__array"))


def cell_name(filename: str) -> str:
    """`cell [7], ` when the code stands in a notebook cell that IPython numbers, else nothing."""
    shell = sys.modules.get("IPython") and sys.modules["IPython"].get_ipython()
    try:
        kind, name = shell.compile.format_code_name(filename)
        return f"{kind.lower()} {name.removeprefix('In ').removeprefix('In')}, "
    except (AttributeError, TypeError, ValueError):
        return ""
