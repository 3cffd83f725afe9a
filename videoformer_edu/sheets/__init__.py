"""The graded sheets, one folder each, and what a notebook asks of them.

    from videoformer_edu.sheets import progress, sheet
    ex1, ex2, ex3, ex4 = sheet("04")
    ex1.check(to_tubes, from_tubes)   # not attempted, crashed, wrong or right, and what to do
    ex1.hint(); ex1.solution(); progress("04")

A new sheet is a new folder `sNN_slug` whose `SHEET` is its `SheetSpec`. Loading one imports no other.
"""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module

from videoformer_edu.grading.notebook import Progress, Sheet, progress_of
from videoformer_edu.grading.spec import SheetSpec


def folders() -> dict[str, str]:
    """Number -> folder of every sheet there is, `{"04": "s04_timesformer", ...}`."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)
    return {name[1:3]: name for name in names if re.match(r"s\d\d_", name)}


def load(number: str | int) -> SheetSpec:
    """The sheet of a lesson, by its number ("04" or 4). Raises KeyError with the sheets there are."""
    found, key = folders(), str(number).zfill(2)
    if key not in found:
        raise KeyError(f"there is no sheet {number!r}; there are: {', '.join(found)}")
    return import_module(f"{__name__}.{found[key]}").SHEET


def sheet(number: str | int) -> Sheet:
    """The sheet of a lesson as a notebook holds it: its exercises to unpack, each with check, hint and solution."""
    return Sheet(load(number))


def progress(number: str | int | None = None, *, saved: bool = False) -> Progress:
    """Exercises right and tried. Without `saved`: this session. With it: the best of all sessions, from the file.

    `number` picks a sheet; without it, the sheets that were checked in this session, or all of them with `saved`.
    """
    if number is not None:
        return progress_of([load(number)], saved=saved)
    return progress_of(map(load, folders()), saved=saved, only_checked=not saved)
