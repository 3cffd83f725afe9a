"""What a learner has done: this session's checks in memory, and the best of all sessions in one small JSON file.

The file is written only where a person works in a notebook of their own (see `place`), so executing the course's
notebooks leaves no trace and gives the same outputs everywhere. Whatever happens to the file, checking goes on: a
damaged one is set aside under another name, never overwritten.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from videoformer_edu.grading.report import OUTCOMES, Report

VARIABLE = "VIDEOFORMER_EDU_PROGRESS"
VERSION = 1

session: dict[str, dict] = {}  # exercise id -> entry, this kernel only


def place() -> Path | None:
    """Where progress is kept, or None where nothing is kept.

    `VIDEOFORMER_EDU_PROGRESS` decides if it is set: a file name, or empty for "keep nothing". Otherwise it is the
    user's data folder, if this kernel was started by a notebook server or editor for a notebook outside `solutions/`.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        return Path(chosen).expanduser() if chosen else None
    notebook = _notebook()
    if notebook is None or "solutions" in Path(notebook).parts:
        return None
    return data_folder() / "videoformer_edu" / "progress.json"


def data_folder() -> Path:
    """The platform's folder for a user's data."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def _notebook() -> str | None:
    """The notebook that a person has open in front of this kernel: Jupyter and VS Code say so, builds do not."""
    if os.environ.get("JPY_SESSION_NAME"):
        return os.environ["JPY_SESSION_NAME"]
    main = sys.modules.get("__main__")
    return getattr(main, "__vsc_ipynb_file__", None)


def record(report: Report) -> None:
    """Remember a check, in the session and, where there is a place, in the file."""
    session[report.exercise] = _merge(session.get(report.exercise), report)
    path = place()
    if path is not None:
        entries = load(path)
        entries[report.exercise] = _merge(entries.get(report.exercise), report)
        save(path, entries)


def _merge(entry: object, report: Report) -> dict:
    """The best outcome and points so far, and how often it was tried; keys that we do not know stay."""
    entry = dict(entry) if isinstance(entry, dict) else {}
    tried = entry.get("tried") if isinstance(entry.get("tried"), int) else 0
    points = entry.get("points") if isinstance(entry.get("points"), int | float) else 0
    before = entry.get("outcome") if entry.get("outcome") in OUTCOMES else OUTCOMES[0]
    return entry | {"outcome": max(before, report.outcome, key=OUTCOMES.index), "points": max(points, report.points),
                    "last": report.outcome, "tried": tried + (report.outcome != OUTCOMES[0])}


def load(path: Path) -> dict:
    """The entries of the file by exercise id; none if there is no file. A damaged file is set aside first."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not isinstance(content.get("exercises"), dict):
            raise ValueError("not a progress file")
        return content["exercises"]
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        _set_aside(path)
        return {}
    except OSError:
        return {}


def _set_aside(path: Path) -> None:
    number = 1
    while (aside := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    try:
        path.rename(aside)
    except OSError:
        pass  # a place where nothing can be renamed: save() will fail in the same way and say so


def save(path: Path, entries: dict) -> bool:
    """Write the file in one step; False where it cannot be written (a full disk, a read-only home)."""
    content = json.dumps({"version": VERSION, "exercises": entries}, indent=1, sort_keys=True, ensure_ascii=False)
    partial = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".partial")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content + "\n")
        os.replace(partial, path)
    except OSError:
        if partial is not None:
            Path(partial).unlink(missing_ok=True)
        return False
    return True
