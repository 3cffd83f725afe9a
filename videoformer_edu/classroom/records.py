"""One file that was handed in becomes one record: plain data, as it stands in the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from videoformer_edu.classroom.alike import fingerprint
from videoformer_edu.classroom.archive import Refused
from videoformer_edu.classroom.file_code import Code, read_code
from videoformer_edu.classroom.handed_in import HandedIn
from videoformer_edu.classroom.whose import Student, author_of, by_functions, sheet_of, student_of
from videoformer_edu.grading.record import Graded, GradedExercise, Pool, Submission, grade_submission
from videoformer_edu.grading.spec import SheetSpec

LONGEST = 2000  # characters of one sentence that may come from a submission


@dataclass(frozen=True)
class Grader:
    """What a run needs to turn a file into a record. `only`: the sheet that the command line names."""

    sheets: Mapping[str, SheetSpec]
    seed: int
    pool: Pool
    only: str | None = None

    def record(self, one: HandedIn) -> dict:
        """Grade one file. Whatever it holds, the answer is a record: graded, or unreadable and why."""
        slugs = [sheet.slug for sheet in self.sheets.values()]
        student = student_of(one.path, slugs)
        try:
            if one.refused:
                raise Refused(one.refused)
            code = read_code(one.read(), one.path)
        except Refused as error:
            return self._unreadable(one, student or nobody(one), self.only, f"The file {error}.")
        student = student or author_of(code.metadata) or nobody(one)
        number, how = (self.only, "the command line") if self.only else sheet_of(one.path, code, self.sheets)
        if number is None:
            return self._unreadable(one, student, None, "No sheet of the course is recognised in it: neither by its "
                                    "name nor by its functions. Name the sheet with --sheet.")
        try:
            graded = grade_submission(Submission(code.cells, one.path), self.sheets[number], self.seed, self.pool)
        except Exception as error:  # a defect of the grader costs one submission, which says so, and never the class
            return head(one, student, self.sheets[number], how) | empty(
                "lost", out_of(self.sheets[number]), f"The grader failed on it ({type(error).__name__}: {error}).")
        notes = [f"The file {note}." for note in code.notes] + other_sheet(code, number, self.sheets)
        return head(one, student, self.sheets[number], how) | body(graded, self.sheets[number], notes)

    def _unreadable(self, one: HandedIn, student: Student, number: str | None, sentence: str) -> dict:
        sheet = self.sheets[number] if number else None
        if sheet is None:  # by the name alone, so that its row stands with the others
            found, how = sheet_of(one.path, Code(()), self.sheets)
            sheet = self.sheets.get(found or "")
        else:
            how = "the command line"
        return head(one, student, sheet, how) | empty("unreadable", out_of(sheet), sentence)


def nobody(one: HandedIn) -> Student:
    return Student(one.path, "", one.path, "nothing but the file: no name was found")


def other_sheet(code: Code, number: str, sheets: Mapping[str, SheetSpec]) -> list[str]:
    """A sentence, if the functions in the file are those of another sheet."""
    likely, _ = by_functions(code, sheets)
    if likely in (None, number):
        return []
    return [f"Its functions are those of sheet {likely}; it was graded as sheet {number}."]


def head(one: HandedIn, student: Student, sheet: SheetSpec | None, how: str) -> dict:
    return {"student": tidy(student.name), "key": student.key, "student_by": student.how, "late": student.late,
            "origin": one.origin, "sheet": sheet.number if sheet else None, "sheet_by": how}


def empty(state: str, most: int, sentence: str) -> dict:
    return {"state": state, "points": 0.0, "out_of": most, "seconds": 0.0, "notes": [tidy(sentence)], "flags": [],
            "exercises": []}


def body(graded: Graded, sheet: SheetSpec, notes: list[str]) -> dict:
    lost = any(exercise.outcome == "lost" for exercise in graded.exercises)
    return {"state": "lost" if lost else "graded", "points": graded.points, "out_of": graded.out_of,
            "seconds": round(graded.seconds, 3), "notes": [*notes, *map(tidy, graded.notes)],
            "flags": [*map(tidy, graded.flags)], "exercises": [
                exercise_record(one, sheet.exercise(one.id).functions) for one in graded.exercises]}


def exercise_record(graded: GradedExercise, functions: Iterable[str]) -> dict:
    return {"id": graded.id, "title": graded.title, "outcome": graded.outcome, "points": graded.points,
            "out_of": graded.out_of, "sentence": tidy(graded.sentence), "mistake": graded.mistake,
            "flags": [*map(tidy, graded.flags)], "notes": [*map(tidy, graded.notes)],
            "reported": [*map(tidy, graded.reported)], "seconds": round(graded.seconds, 3),
            "fingerprint": fingerprint(graded.source, functions),
            "checks": [{"name": check.case, "function": check.function, "outcome": check.outcome, "rung": check.rung,
                        "sentence": tidy(check.sentence)} for check in graded.report.checks]}


def tidy(text: str) -> str:
    """Text that may come from a submission: bounded, and nothing in it that a terminal or a page would obey."""
    text = "".join(char for char in text if char in "\n\t" or char.isprintable())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def out_of(sheet: SheetSpec | None) -> int:
    return sum(exercise.points for exercise in sheet.exercises) if sheet else 0
