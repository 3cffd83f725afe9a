"""What a learner has done: this session's checks in memory, and the best of all sessions in one small JSON file.

The file is written only where a person works in a notebook of their own (see `place`), so executing the course's
notebooks leaves no trace and gives the same outputs everywhere. Whatever happens to the file, checking goes on: a
damaged one is set aside under another name, never overwritten.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from videoformer_edu.grading.report import OUTCOMES, Report

VARIABLE = "VIDEOFORMER_EDU_PROGRESS"
VERSION = 1
PATIENCE = 2.0  # seconds; a check holds the file for a few milliseconds

session: dict[str, dict] = {}  # exercise id -> entry, this kernel only


def place() -> Path | None:
    """Where progress is kept, or None where nothing is kept.

    `VIDEOFORMER_EDU_PROGRESS` decides if it is set: a file name, or empty for "keep nothing". Otherwise it is the
    user's data folder, if a notebook server or editor started this kernel for a notebook that is not in `solutions/`.
    """
    chosen, notebook = os.environ.get(VARIABLE), _notebook()
    try:
        if chosen is not None:
            return Path(chosen).expanduser() if chosen else None
        if notebook is None or Path(notebook).parent.name == "solutions":
            return None
        return usual_place()
    except RuntimeError:  # a user without a home folder
        return None


def usual_place() -> Path:
    """The file in the user's data folder. Raises RuntimeError for a user without a home folder."""
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
    if path is None:
        return
    with _alone(path):
        entries = load(path)
        if entries is not None:
            entries[report.exercise] = _merge(entries.get(report.exercise), report)
            save(path, entries)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One kernel at a time between reading the file and writing it, held by a second file that exists meanwhile.

    A lock that stays for `PATIENCE` seconds was left behind by a kernel that died: it is taken over. Where no lock
    can be made, there is nothing to write to either, or the file system has to do without.
    """
    lock, until = path.with_suffix(".lock"), time.monotonic() + PATIENCE
    held = False
    while not held and time.monotonic() < until:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.open("x").close()
            held = True
        except FileExistsError:
            time.sleep(0.01)
        except OSError:
            break
    try:
        yield
    finally:
        if held or time.monotonic() >= until:
            with suppress(OSError):
                lock.unlink()


def read_entry(entry: object) -> tuple[str, float, int]:
    """(best outcome, best points, tries) of an entry, whatever somebody made of the file."""
    entry = entry if isinstance(entry, dict) else {}
    outcome, points, tried = (entry.get(key) for key in ("outcome", "points", "tried"))
    return (outcome if outcome in OUTCOMES else OUTCOMES[0],
            max(points, 0) if isinstance(points, int | float) and math.isfinite(points) else 0,
            max(tried, 0) if isinstance(tried, int) else 0)


def _merge(entry: object, report: Report) -> dict:
    """The entry after one more check; keys that we do not know stay."""
    outcome, points, tried = read_entry(entry)
    known = {"outcome": max(outcome, report.outcome, key=OUTCOMES.index), "points": max(points, report.points),
             "last": report.outcome, "tried": tried + (report.outcome != OUTCOMES[0])}
    return (entry if isinstance(entry, dict) else {}) | known


def load(path: Path) -> dict | None:
    """The entries of the file by exercise id; none if there is no file. A damaged file is set aside first.

    None means that the file is there but can be neither read nor set aside: then it must not be written over.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not isinstance(content.get("exercises"), dict):
            raise ValueError("not a progress file")
        return content["exercises"]
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        return {} if _set_aside(path) else None
    except OSError:
        return None


def _set_aside(path: Path) -> bool:
    number = 1
    while (aside := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    try:
        path.rename(aside)
    except OSError:
        return False
    return True


def save(path: Path, entries: dict) -> bool:
    """Write the file in one step; False where it cannot be written (a full disk, a read-only home)."""
    partial = None
    try:
        content = json.dumps({"version": VERSION, "exercises": entries}, indent=1, sort_keys=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".partial")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content + "\n")
        os.replace(partial, path)
    except (OSError, ValueError, RecursionError):
        if partial is not None:
            Path(partial).unlink(missing_ok=True)
        return False
    return True
