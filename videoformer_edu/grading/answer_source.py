"""The text of a worked answer: read from its functions, edited into wrong ones, written into the cells of a sheet."""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections.abc import Callable, Sequence
from functools import cache

import einops
import torch
import torch.nn.functional as F

# What an edit may use, whatever the worked answer itself imports.
TOOLS = {"torch": torch, "F": F, "nn": torch.nn, "math": math, "einops": einops,
         "rearrange": einops.rearrange, "repeat": einops.repeat, "reduce": einops.reduce}


@cache
def text_of(function: Callable) -> str:
    """The source of one function, at the margin, as written."""
    return textwrap.dedent(inspect.getsource(function)).rstrip()


@cache
def edited(functions: tuple[Callable, ...], edits: tuple[tuple[str, str], ...]) -> dict[str, Callable]:
    """These functions, by name, after their joined source was edited.

    The edits are made one after the other. Raises ValueError unless each `old` occurs exactly once when its turn
    comes, and when the text that comes out is no Python.
    """
    text = "\n\n\n".join(map(text_of, functions)) + "\n"
    for old, new in edits:
        if text.count(old) != 1:
            raise ValueError(f"the edit of {old!r} needs it exactly once in {', '.join(names_of(functions))}; "
                             f"it is there {text.count(old)} times")
        text = text.replace(old, new)
    names = dict(TOOLS)
    for function in functions:
        names |= function.__globals__
    try:
        exec(compile(text, "<edited answer>", "exec"), names)
    except SyntaxError as error:
        raise ValueError(f"after its edits the answer is no Python: {error}") from error
    return {name: names[name] for name in names_of(functions)}


def names_of(functions: Sequence[Callable]) -> list[str]:
    return [function.__name__ for function in functions]


def with_markers(function: Callable) -> str:
    """The function as a sheet's cell is built from it: signature and docstring, then the body between markers."""
    lines = text_of(function).splitlines()
    definition = ast.parse("\n".join(lines)).body[0]
    if ast.get_docstring(definition) is None:
        raise ValueError(f"{function.__name__} needs a docstring: it is what stays of the function in the sheet")
    head = definition.body[0].end_lineno
    return "\n".join([*lines[:head], "    # BEGIN SOLUTION", *lines[head:], "    # END SOLUTION"])


def worked(function: Callable) -> str:
    """The function as it is shown to a learner who asks for it: without the lines that say how its stub looks."""
    return "\n".join(line for line in text_of(function).splitlines() if not line.lstrip().startswith("# STUB:"))
