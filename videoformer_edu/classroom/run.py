"""Grade everything that was handed in, as many at once as the pool has workers; each record is kept at once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import videoformer_edu
from videoformer_edu.classroom import journal as journal_file
from videoformer_edu.classroom.handed_in import HandedIn, marks
from videoformer_edu.classroom.journal import Journal
from videoformer_edu.classroom.records import Grader
from videoformer_edu.grading.record import Limits, Pool
from videoformer_edu.grading.spec import SheetSpec

SEED_BITS = 128


def grade_all(found: Sequence[HandedIn], sheets: Mapping[str, SheetSpec], journal: Journal, *, only: str | None,
              seed: int | None, resume: bool, workers: int, limits: Limits,
              tell: Callable[[str], None]) -> tuple[list[dict], dict]:
    """The records and the facts of the run. Raises journal.Mixed where `resume` finds another run.

    seed: None draws a new one, or takes that of the run that goes on. `tell` is called with a line now and then.
    """
    begun = time.monotonic()
    if seed is None:
        seed = journal.seed() if resume else None
    seed = secrets.randbits(SEED_BITS) if seed is None else seed
    run = {"seed": seed, "course": videoformer_edu.__version__, "sheets": journal_file.version_of(sheets),
           "only": only, "limits": asdict(limits), "handed_in": marks(found)}
    if resume:
        records = journal.resume(run)
        tell(f"{len(records)} of {len(found)} were graded before.")
    else:
        records = []
        journal.begin(run)
    known = journal_file.done(records)
    left = [one for one in found if one.origin not in known]
    with Pool(workers=workers, limits=limits) as pool, ThreadPoolExecutor(pool.workers) as threads:
        for sentence in pool.missing:
            tell(f"Not in force here: {sentence}")
        grader = Grader(sheets, seed, pool, only)
        for record in threads.map(grader.record, left):
            records.append(record)
            journal.add(record)
            if len(records) % 25 == 0:
                tell(f"{len(records)} of {len(found)} graded.")
        holds, missing = [*getattr(pool, "holds", ())], [*pool.missing]
    facts = {"seconds": round(time.monotonic() - begun, 1), "workers": workers, "version": run["sheets"],
             "limits": asdict(limits), "holds": holds, "missing": missing}
    return records, facts


def seed_from(path: Path) -> int:
    """The whole number in a file; a file that does not exist is made with a new one. Raises ValueError."""
    if path.exists():
        text = path.read_text(encoding="utf-8").strip()
        if not text.isdecimal():
            raise ValueError(f"{path} should hold one whole number and nothing else")
        return int(text)
    seed = secrets.randbits(SEED_BITS)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_text(f"{seed}\n", encoding="utf-8")
    return seed


def beside_submissions(path: Path, places: Sequence[Path]) -> bool:
    """Does a file lie where learners' files lie?"""
    path = path.resolve()
    return any(place.is_dir() and path.is_relative_to(place.resolve()) for place in places)
