"""Answers that are alike, whatever their names, comments and spaces. For a person to look at; it changes no score."""

from __future__ import annotations

import ast
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping

from videoformer_edu.grading.answer_source import text_of
from videoformer_edu.grading.spec import Exercise, SheetSpec

FEW = 70  # nodes of the syntax tree; shorter answers are alike by nature


def fingerprint(source: str, functions: Iterable[str]) -> str:
    """The same for texts whose `functions` differ in names, comments, docstrings and layout alone; empty if short.

    What else stands in the source, imports and earlier exercises, does not count.
    """
    try:
        nodes = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    last = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}
    tree = ast.Module([last[name] for name in functions if name in last], [])
    names: dict[str, str] = {}
    count = 0
    for node in ast.walk(tree):
        count += 1
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(node):
            del node.body[0]
        for field in ("id", "arg", "name"):
            name = getattr(node, field, None)
            if isinstance(name, str):
                setattr(node, field, names.setdefault(name, f"n{len(names)}"))
    if count < FEW:
        return ""
    try:
        return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]
    except (RecursionError, MemoryError):
        return ""


def worked_fingerprint(exercise: Exercise) -> str:
    return fingerprint("\n\n\n".join(map(text_of, exercise.answer)), exercise.functions)


def alike(records: Iterable[dict], sheets: Mapping[str, SheetSpec]) -> list[dict]:
    """Groups of students whose answers to an exercise are alike, those as the worked answer apart."""
    groups = defaultdict(list)
    for record in records:
        for exercise in record["exercises"]:
            if exercise["fingerprint"]:
                groups[exercise["id"], exercise["fingerprint"]].append(record["student"])
    worked = {exercise.id: worked_fingerprint(exercise) for sheet in sheets.values() for exercise in sheet.exercises}
    found = []
    for (exercise, print_), students in sorted(groups.items()):
        as_worked, people = print_ == worked.get(exercise), sorted(set(students))
        if len(people) > 1 or as_worked:
            found.append({"exercise": exercise, "as_worked": as_worked, "students": people})
    return found
