"""The answers of a bank as somebody would hand them in: the text of their functions and of all that these use."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from types import FunctionType, ModuleType

from videoformer_edu.grading.answer_source import TOOLS, text_of
from videoformer_edu.grading.spec import Exercise, Mutant, Style

HOME = "videoformer_edu.sheets"


def handed_in(exercise: Exercise, entry: Mutant | Style) -> str:
    """One cell that holds the whole answer."""
    text = "\n\n\n".join(map(text_of, exercise.whole)) + "\n"
    if entry.edits:
        for old, new in entry.edits:
            text = text.replace(old, new)
        return text
    parts: dict[str, str] = {}
    for made in (*exercise.whole, *entry.functions.values()):
        _gather(made, parts)
    made_so = {name: _lambda(made) if made.__name__ == "<lambda>" else made.__name__
               for name, made in entry.functions.items()}
    text = "\n\n\n".join(parts.values())
    for name in made_so:  # what is replaced may still be used by what replaces it
        named = re.compile(rf"(?<![\w'\".]){name}\b(?![.'\"])")  # not within a text
        text = named.sub(f"worked_{name}", text)
        made_so = {one: named.sub(f"worked_{name}", own) for one, own in made_so.items()}
    return "\n\n\n".join([text, *(f"{name} = {own}" for name, own in made_so.items())])


def _gather(made: FunctionType | type, parts: dict[str, str]) -> None:
    """The function's text and, before it, that of everything which it names."""
    text = _lambda(made) if made.__name__ == "<lambda>" else text_of(made)
    if made.__name__ in parts:
        assert parts[made.__name__] == text, f"two functions {made.__name__}"
        return
    if made.__name__ != "<lambda>":
        parts[made.__name__] = ""  # it may name itself
    tree = ast.parse(text)
    there = vars(sys.modules[made.__module__])
    for name in sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & set(there)):
        value = there[name]
        if isinstance(value, FunctionType | type) and value.__module__.startswith(HOME):
            _gather(value, parts)
            if value.__name__ != name:
                parts[name] = f"{name} = {value.__name__}"
        elif isinstance(value, ModuleType) and value.__name__.startswith(HOME):
            wanted = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
                      and isinstance(node.value, ast.Name) and node.value.id == name}
            for attribute in sorted(wanted):
                _gather(getattr(value, attribute), parts)
            parts.setdefault(f"the module {name}", f"import types\n{name} = types.SimpleNamespace()")
            for attribute in sorted(wanted):
                parts[f"{name}.{attribute}"] = f"{name}.{attribute} = {attribute}"
        elif isinstance(value, ModuleType) and name not in TOOLS:
            parts[name] = f"import {value.__name__} as {name}"
        elif isinstance(value, int | float | str | tuple | dict) and not name.startswith("__"):
            parts[name] = f"{name} = {value!r}"
    if made.__name__ != "<lambda>":
        del parts[made.__name__]
        parts[made.__name__] = text


def _lambda(made: FunctionType) -> str:
    """The text of this very lambda, among all that stand in the same lines."""
    file = inspect.getsourcelines(sys.modules[made.__module__])[0]
    lines = " ".join("".join(file[made.__code__.co_firstlineno - 1:][:6]).split())
    for begin in (found.start() for found in re.finditer("lambda", lines)):
        for end in range(len(lines), begin, -1):
            try:
                tree = ast.parse(lines[begin:end], mode="eval")
            except SyntaxError:
                continue
            if isinstance(tree.body, ast.Lambda):
                code = eval(lines[begin:end]).__code__
                if (code.co_code, code.co_names, code.co_varnames) == (
                        made.__code__.co_code, made.__code__.co_names, made.__code__.co_varnames):
                    return lines[begin:end]
                break
    raise ValueError(f"no lambda in {lines!r}")
