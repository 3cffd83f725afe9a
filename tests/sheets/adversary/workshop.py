"""How the adversary writes answers: source text of its own, edited or replaced, and made into fresh functions."""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Callable
from dataclasses import dataclass

PRELUDE = """\
import contextlib, functools, inspect, itertools, math, sys, warnings
import numpy as np
import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce, repeat
from torch import nn
"""
_number = itertools.count()


def edited(source: str, *edits: tuple[str, str]) -> str:
    """`source` with every `(old, new)` put in; `old` must stand there exactly once."""
    for old, new in edits:
        if source.count(old) != 1:
            raise ValueError(f"{old!r} stands {source.count(old)} times in the source, not once")
        source = source.replace(old, new)
    return source


@dataclass(frozen=True)
class Answer:
    """One answer to an exercise. `name` says what it does, for a wrong one: which mistake it really is."""

    name: str
    source: str

    def functions(self) -> dict[str, Callable]:
        """The names of the source, made anew, as cells of a notebook would: no state is left of an earlier check."""
        file = f"<adversary {next(_number)}>"
        linecache.cache[file] = (len(self.source), None, self.source.splitlines(keepends=True), file)
        names: dict = {"__name__": "__main__"}
        exec(compile(PRELUDE, "<prelude>", "exec"), names)
        exec(compile(self.source, file, "exec"), names)
        return names


class Answers:
    """Answers to one exercise. A call adds one: edits of a base, then text that stands after it and so replaces."""

    def __init__(self, base: str):
        self.base, self.all = base, {}

    def __call__(self, name: str, *edits: tuple[str, str], add: str = "", base: str | None = None) -> None:
        if name in self.all:
            raise ValueError(f"two answers have the name {name!r}")
        self.all[name] = Answer(name, edited(self.base if base is None else base, *edits) + "\n" + add)
