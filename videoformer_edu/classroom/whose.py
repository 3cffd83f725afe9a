"""Whose sheet is it, and which: read from the names that courses' systems give to files, and from the notebook itself.

Every answer comes with the words that say how it was found, so that an instructor can see at a glance whether it is so.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from videoformer_edu.classroom.file_code import Code
from videoformer_edu.grading.spec import SheetSpec

MOODLE = re.compile(r"(?P<name>.+?)_(?P<key>\d+)_assignsubmission_file(?:_(?P<file>.*))?$")
CANVAS = re.compile(r"(?P<name>[^\W_]+)_(?P<late>LATE_)?(?P<key>[1-9]\d*)_(?P<submission>[1-9]\d{2,})_(?P<file>.+)$")
AGAIN = re.compile(r"(?:[-_ ]?\(\d+\)|-\d+|[-_ ]copy\d*|-checkpoint)$", re.IGNORECASE)  # what browsers and Canvas add
JUNK = {"submission", "submissions", "submitted", "homework", "notebook", "sheet", "exercises", "files", "src", ""}


@dataclass(frozen=True)
class Student:
    """`key` is the number by which Moodle or Canvas knows the student, empty elsewhere; `file` the name that was
    handed in, without what a system has put before it."""

    name: str
    key: str
    file: str
    how: str
    late: bool = False


def student_of(path: str, slugs: Sequence[str]) -> Student | None:
    """The student according to the path of a file, `/` between its parts; None if no part of it is a name."""
    *folders, file = PurePosixPath(path).parts
    found = MOODLE.match(file)
    if found and found["file"]:
        return Student(found["name"], found["key"], found["file"], "the file's name, as Moodle gives it")
    for folder in reversed(folders):
        found = MOODLE.match(folder)
        if found:
            return Student(found["name"], found["key"], file, "the folder's name, as Moodle gives it")
    found = CANVAS.match(file)
    if found:
        return Student(found["name"], found["key"], found["file"], "the file's name, as Canvas gives it",
                       bool(found["late"]))
    for folder in folders:
        name = without_sheet(folder, slugs)
        if name.casefold() not in JUNK:
            return Student(folder, "", file, "the folder's name")
    name = without_sheet(PurePosixPath(file).stem, slugs)
    return Student(name, "", file, "the file's name") if name.casefold() not in JUNK else None


def without_sheet(name: str, slugs: Sequence[str]) -> str:
    """What is left of a file's or folder's name when the sheet's is taken out of it; a number alone is no name."""
    left = AGAIN.sub("", name)
    for slug in slugs:
        for part in (slug, slug.removesuffix("_sheet"), slug.partition("_")[2]):
            left = re.sub(re.escape(part), "", left, flags=re.IGNORECASE)
    left = re.sub(r"^(?:sheet[ _-]?)?\d\d(?=$|[ _-])|(?:sheet[ _-]?\d\d)$", "", left, flags=re.IGNORECASE)
    return left.strip(" _-.")


def author_of(metadata: Mapping[str, object]) -> Student | None:
    """The author whom the notebook's metadata name, as the format documents it: `"authors": [{"name": ...}]`."""
    authors = metadata.get("authors")
    first = authors[0] if isinstance(authors, list) and authors else None
    name = first.get("name") if isinstance(first, dict) else None
    return Student(name[:200], "", "", "the notebook's metadata") if isinstance(name, str) and name.strip() else None


def sheet_of(path: str, code: Code, sheets: Mapping[str, SheetSpec]) -> tuple[str | None, str]:
    """The number of the sheet and how it was found: metadata, file, folder, or else the functions that are there."""
    colab = code.metadata.get("colab")
    named = colab.get("name") if isinstance(colab, dict) else None
    places = [(named, "the notebook's metadata")] if isinstance(named, str) else []
    parts = list(PurePosixPath(path).parts)
    places += [(parts[-1], "the file's name"), *((part, "the folder's name") for part in reversed(parts[:-1]))]
    for text, how in places:
        for number, sheet in sheets.items():
            if sheet.slug.removesuffix("_sheet").casefold() in text.casefold():
                return number, how
    for text, how in places:
        found = re.search(r"(?:^|sheet|[ _-])(\d\d)(?=[ _.-]|$)", text, re.IGNORECASE)
        if found and found[1] in sheets:
            return found[1], how
    number, count = by_functions(code, sheets)
    if number is None:
        return None, ""
    return number, f"its functions: {count} of {len(functions_of(sheets[number]))}"


def by_functions(code: Code, sheets: Mapping[str, SheetSpec]) -> tuple[str | None, int]:
    """The sheet most of whose functions are defined here; None when none is, or when two sheets fit equally well."""
    there = defined(code)
    counts = sorted(((len(functions_of(sheet) & there), number) for number, sheet in sheets.items()), reverse=True)
    if not counts or not counts[0][0] or (len(counts) > 1 and counts[0][0] == counts[1][0]):
        return None, 0
    return counts[0][1], counts[0][0]


def functions_of(sheet: SheetSpec) -> set[str]:
    return {name for exercise in sheet.exercises for name in exercise.functions}


def defined(code: Code) -> set[str]:
    """Names that look like functions defined anywhere in the code, whether or not it can be read as Python."""
    names: set[str] = set()
    for cell in code.cells:
        names |= set(re.findall(r"^[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)", cell.source, re.MULTILINE))
        try:
            nodes = ast.parse(cell.source).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        names |= {target.id for node in nodes if isinstance(node, ast.Assign) for target in node.targets
                  if isinstance(target, ast.Name)}
    return names
