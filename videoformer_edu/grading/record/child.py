"""What happens in the process that runs an answer: read the job, build the learner's functions, call them, hand back.

No case's oracle, no test and no sheet has ever been in this process or in the one that it was forked from. Whatever
the learner's code does to it, only bytes go back, and those are read as if the learner had written them.
"""

from __future__ import annotations

import gc
import linecache
import os
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass

from videoformer_edu.grading.collect import Call, Given, collect
from videoformer_edu.grading.crash import Crash, crash_of
from videoformer_edu.grading.record.wire import packed, unpacked
from videoformer_edu.grading.settings import own_random_numbers

OWN = "videoformer_edu"
NAMES = """
import math
import einops
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange, reduce, repeat
"""  # what every sheet begins with


def run(job: int, result: int) -> None:
    """Both are open files. A record for each call, one behind the other: its length in eight bytes, its bytes."""
    parts = []
    while part := os.read(job, 2**20):
        parts.append(part)
    os.close(job)
    work = unpacked(b"".join(parts))
    calls = [Call(**call) for call in work["calls"]]
    names, broken = built(work["program"])
    for call in calls:
        if call.function in broken or isinstance(names.get(call.function), type):
            given = Given(crash=broken.get(call.function) or Crash(
                "TypeError", f"{call.function} has to be a function: a class is none; write one that calls it"))
        else:
            with own_random_numbers(0):
                (given,) = collect(names, [call], work["helpers"])
        _write(result, given)


def built(program: Sequence[Mapping[str, object]]) -> tuple[dict, dict[str, Crash]]:
    """Run the statements of a program: the names that they make, and those whose statements failed."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    names, broken = vars(module), {}
    exec(NAMES, names)
    _forget_the_grader()
    for part in program:
        file, line, source = part["file"], part["line"], part["source"]
        lines = linecache.cache.get(file, (0, None, [], file))[2]
        lines += ["\n"] * (line - 1 - len(lines)) + source.splitlines(keepends=True)
        linecache.cache[file] = len(lines), None, lines, file
        try:
            exec(compile("\n" * (line - 1) + source, file, "exec", dont_inherit=True), names)
        except BaseException as error:  # noqa: B902 - the learner's sys.exit costs what it defines
            crash = crash_of(error)
            broken |= dict.fromkeys(part["makes"], crash)
        else:
            for name in part["makes"]:
                broken.pop(name, None)
    return names, broken


def _forget_the_grader() -> None:
    """Its modules cannot be imported by name, nor anything else of the package."""
    for name in [name for name in sys.modules if name.partition(".")[0] == OWN]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Absent())
    gc.freeze()


class _Absent:
    """The package is not there when an answer is graded."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == OWN:
            raise ModuleNotFoundError(f"{name} is not there when an answer is graded: write it yourself", name=name)


def _write(result: int, given: Given) -> None:
    try:
        message = packed(plain(given))
    except (TypeError, ValueError, RecursionError, UnicodeError):
        odd = Crash("TypeError", "the result holds something that cannot be handed back")
        message = packed(plain(Given(crash=odd)))
    message = len(message).to_bytes(8, "little") + message
    while message:
        message = message[os.write(result, message):]


def plain(value: object) -> object:
    """Dataclasses as dicts, within everything."""
    if is_dataclass(value):
        return {part.name: plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return tuple(map(plain, value)) if isinstance(value, list | tuple) else value
