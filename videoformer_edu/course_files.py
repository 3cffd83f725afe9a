"""Where the notebooks of the course lie, in a checkout or in an installation, and copies of them to work in."""

from __future__ import annotations

import os
import shutil
from importlib import metadata
from pathlib import Path

COURSE = "videoformer_edu"
FIRST = "notebooks/00_start_here.ipynb"
LESSONS, EXERCISES, SOLUTIONS = "notebooks", "exercises", "solutions"


def course_folder() -> Path:
    """The folder that holds `notebooks/`, `exercises/` and `solutions/`.

    A checkout has them beside the package; an installation, among its files, under share/. Raises FileNotFoundError
    where there are none.
    """
    checkout = Path(__file__).parents[1]
    if (checkout / FIRST).is_file():
        return checkout
    try:
        found = [file for file in metadata.files(COURSE) or () if file.as_posix().endswith(f"{COURSE}/{FIRST}")]
    except metadata.PackageNotFoundError:
        found = []
    for file in found:
        path = Path(os.path.abspath(file.locate()))
        if path.is_file():
            return path.parents[1]
    raise FileNotFoundError("this installation of the course has no notebooks; install it anew, or work in a copy of "
                            "its repository")


def copy_course(target: Path, *, solutions: bool = False) -> tuple[list[str], list[str]]:
    """Copies lessons and exercises into `target`, and the solutions where they are asked for; overwrites nothing.

    -> the names of what was copied, and of what was there already and stays as it is. Raises OSError, FileNotFoundError
    among them.
    """
    source, copied, kept = course_folder(), [], []
    for folder in (LESSONS, EXERCISES, *([SOLUTIONS] if solutions else [])):
        for path in sorted((source / folder).iterdir()):
            if path.suffix not in (".ipynb", ".md") or path.stem.endswith(".new"):
                continue
            name = f"{folder}/{path.name}"
            (target / folder).mkdir(parents=True, exist_ok=True)
            try:
                with (target / name).open("xb") as copy, path.open("rb") as original:  # "x": never over another file
                    shutil.copyfileobj(original, copy)
                copied.append(name)
            except FileExistsError:
                kept.append(name)
    return copied, kept
