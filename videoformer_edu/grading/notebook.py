"""A sheet as a notebook holds it: `ex.check(...)`, `ex.hint()`, `ex.solution()`, the table of points."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from videoformer_edu.grading import progress_file
from videoformer_edu.grading.answer_source import worked
from videoformer_edu.grading.check import check
from videoformer_edu.grading.report import CRASHED, RIGHT, SIGNS, WRONG, Report, cell, score, state, table
from videoformer_edu.grading.spec import Exercise, SheetSpec
from videoformer_edu.grading.words import builds_on_words


@dataclass(frozen=True)
class Note:
    """A piece of text that looks well in a notebook and in a terminal."""

    text: str
    code: str = ""

    def __repr__(self) -> str:
        return self.text + (f"\n\n{self.code}" if self.code else "")

    def _repr_html_(self) -> str:
        code = f"<pre>{html.escape(self.code, quote=False)}</pre>" if self.code else ""
        return f"<p>{html.escape(self.text, quote=False)}</p>{code}"


class NotebookExercise:
    """One exercise of a sheet: check an answer, ask for a hint or for the worked answer."""

    def __init__(self, spec: Exercise):
        self.spec, self._hints = spec, 0

    def check(self, *answer, seed: int = 0) -> Report:
        """Judge the functions of the exercise, given in the order of its statement, without calling them."""
        names = list(self.spec.functions)
        if len(answer) > len(names):
            raise TypeError(f"exercise {self.spec.id} has {len(names)} function{'s' * (len(names) > 1)}, "
                            f"check({', '.join(names)}); got {len(answer)} arguments")
        report = check(self.spec, dict(zip(names, answer, strict=False)), seed=seed)
        report = self._mention_prerequisites(report)
        progress_file.record(report)
        report.show()
        return report

    def _mention_prerequisites(self, report: Report) -> Report:
        """An answer that stands on earlier ones may fail because of them: say so whenever they are not right."""
        session = progress_file.session
        shaky = [need.id for need in self.spec.needs if session.get(need.id, {}).get("last") != RIGHT]
        if report.outcome not in (CRASHED, WRONG) or not shaky:
            return report
        words = builds_on_words(shaky, bool(report.mistake), " yet in this session")
        return replace(report, message=f"{report.message}\n{words}")

    @property
    def solved(self) -> bool:
        """Was the last check of this session right? What comes after an exercise in a sheet asks this."""
        return progress_file.session.get(self.spec.id, {}).get("last") == RIGHT

    def hint(self) -> Note:
        """The next of the three hints; after the third it begins again."""
        number = self._hints % len(self.spec.hints)
        self._hints += 1
        return Note(f"Hint {number + 1} of {len(self.spec.hints)}: {self.spec.hints[number]}")

    def solution(self) -> Note:
        """The worked answer."""
        return Note(f"One way to solve {self.spec.id}:", "\n\n\n".join(map(worked, self.spec.answer)))

    def __repr__(self) -> str:
        names = ", ".join(map(self.spec.signature, self.spec.functions))
        return f"Exercise {self.spec.id} {self.spec.title}: {names}; .check(...), .hint(), .solution()"


class Sheet:
    """The exercises of one lesson: unpack it, iterate over it, or ask for `exercise(1)`."""

    def __init__(self, spec: SheetSpec):
        self.spec = spec
        self._exercises = {exercise.id: NotebookExercise(exercise) for exercise in spec.exercises}

    def exercise(self, number: int | str) -> NotebookExercise:
        return self._exercises[self.spec.exercise(number).id]

    def __iter__(self) -> Iterator[NotebookExercise]:
        return iter(self._exercises.values())

    def __len__(self) -> int:
        return len(self._exercises)

    def __repr__(self) -> str:
        return f"Sheet {self.spec.number} {self.spec.title}: {len(self)} exercises"


@dataclass(frozen=True)
class Progress:
    """Rows of (exercise, title, outcome, tries, points, out of)."""

    rows: tuple[tuple[str, str, str, int, float, int], ...]
    note: str

    @property
    def points(self) -> float:
        return round(sum(row[4] for row in self.rows), 1)

    @property
    def out_of(self) -> int:
        return sum(row[5] for row in self.rows)

    @property
    def percent(self) -> int:
        """Whole per cent, rounded down: 100 means everything."""
        return int(100 * self.points / self.out_of) if self.out_of else 0

    @property
    def summary(self) -> str:
        right = sum(row[2] == RIGHT for row in self.rows)
        return f"{right} of {len(self.rows)} exercises right, {score(self.points, self.out_of)} ({self.percent} %)"

    def __repr__(self) -> str:
        width = max((len(row[1]) for row in self.rows), default=0)
        lines = [f"{SIGNS[o]} {id} {title:<{width}}  {state(o, points):<13}  tried {tries}  {score(points, out_of)}"
                 for id, title, o, tries, points, out_of in self.rows]
        return "\n".join([*lines, self.summary, self.note])

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr>{cell(f'{id} {title}')}{cell(f'{SIGNS[o]} {state(o, points)}')}{cell(str(tries))}"
                       f"{cell(f'{points:g} of {out_of}')}</tr>" for id, title, o, tries, points, out_of in self.rows)
        return (table(("exercise", "outcome", "tried", "points"), rows)
                + f"<p><strong>{self.summary}</strong></p><p>{html.escape(self.note, quote=False)}</p>")


def progress_of(sheets: Iterable[SheetSpec], *, saved: bool = False, only_checked: bool = False) -> Progress:
    """Exercises right and tried. Without `saved`: this session. With it: the best of all sessions, from the file.

    A session that has checked nothing of these sheets yet, as after a restart, shows the file as well.
    `only_checked` leaves out the sheets of which nothing was checked.
    """
    path = progress_file.place()
    kept = (progress_file.load(path) if path is not None else None) or {}
    sheets = list(sheets)
    ids = {exercise.id for sheet in sheets for exercise in sheet.exercises}
    fresh = not saved and not ids & progress_file.session.keys() and bool(ids & kept.keys())
    entries = kept if saved or fresh else progress_file.session
    rows = tuple(_row(exercise, entries.get(exercise.id)) for sheet in sheets
                 if not only_checked or any(exercise.id in entries for exercise in sheet.exercises)
                 for exercise in sheet.exercises)
    if saved:
        note = "The best of all sessions." if path is not None else "Nothing is kept between sessions here."
    elif fresh:
        note = "Nothing was checked in this session yet: this is the best of all sessions."
    else:
        note = "This session. All sessions: progress(saved=True)."
    return Progress(rows, note)


def _row(exercise: Exercise, entry: object) -> tuple[str, str, str, int, float, int]:
    outcome, points, tries = progress_file.read_entry(entry)
    return exercise.id, exercise.title, outcome, tries, min(points, exercise.points), exercise.points
