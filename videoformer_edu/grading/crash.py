"""What a learner's code tells about itself: the line that raised, whether a stub is still there, its arguments."""

from __future__ import annotations

import dis
import inspect
import linecache
import sys
import sysconfig
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

import torch


@dataclass(frozen=True)
class Crash:
    """An exception inside the answer: its kind and words, and the learner's own line that it came from."""

    kind: str
    words: str
    line: int | None = None
    text: str = ""
    place: str = ""

    @property
    def said(self) -> str:
        return f"{self.kind}: {self.words}" if self.words else self.kind


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


def code_of(function: object) -> CodeType | None:
    code = None
    with suppress(Exception):
        code = function.__code__
    return code if isinstance(code, CodeType) else None


def is_stub(function: object) -> bool:
    """Does the body consist of nothing but a docstring, `...`, `pass` or `raise NotImplementedError`?"""
    code = code_of(function)
    if code is None or any(const not in (None, ..., function.__doc__) for const in code.co_consts):
        return False
    reads = {i.opname for i in dis.get_instructions(code)
             if i.opname.startswith(("LOAD_FAST", "STORE", "CALL", "BINARY", "LOAD_DEREF", "LOAD_ATTR"))}
    return not reads and set(code.co_names) <= {"NotImplementedError"}


def stubs_called(function: object) -> tuple[str, ...]:
    """The functions that this one names and that still hold their stubs."""
    code = code_of(function)
    if code is None:
        return ()
    return tuple(name for name in code.co_names if is_stub(function.__globals__.get(name)))


def words_of(error: BaseException) -> str:
    """The exception's words in one line, even when it cannot be printed."""
    try:
        return " ".join(str(error).split())[:300].encode("utf-8", "replace").decode()
    except KeyboardInterrupt:
        raise
    except BaseException:
        return "(an exception that cannot be printed)"


def crash_of(error: BaseException, helpers: Collection[str] = ()) -> Crash:
    """The exception and the deepest line that the learner wrote: not a library's, not the grader's, not a helper's."""
    own, steps = None, error.__traceback__
    while steps is not None:
        code = steps.tb_frame.f_code
        if not is_library(code.co_filename) and not (own is not None and code.co_name in helpers):
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
    """`cell [7], ` when the code stands in a notebook cell that IPython numbers (or the grader), else nothing."""
    if filename.startswith("<cell "):
        return f"{filename[1:-1]}, "
    shell = sys.modules.get("IPython") and sys.modules["IPython"].get_ipython()
    try:
        kind, name = shell.compile.format_code_name(filename)
        return f"{kind.lower()} {name.removeprefix('In ').removeprefix('In')}, "
    except (AttributeError, TypeError, ValueError):
        return ""
