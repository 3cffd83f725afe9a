"""The graded sheets, one room each. A sheet is loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module

from videoformer_edu.grading.spec import SheetSpec

ROOMS = {"04": "s04_timesformer"}


def load(number: str | int) -> SheetSpec:
    """The sheet of a lesson, by its number ("04" or 4)."""
    key = f"{number:02d}" if isinstance(number, int) else str(number)
    if key not in ROOMS:
        raise KeyError(f"there is no sheet {number!r}; there are: {', '.join(ROOMS)}")
    return import_module(f"videoformer_edu.sheets.{ROOMS[key]}").SHEET
