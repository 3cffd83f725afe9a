"""What goes into the grader of record and what comes out of it: plain values, no process and no file."""

from __future__ import annotations

from dataclasses import dataclass

from videoformer_edu.grading.report import Report

RIGHT, PARTLY, WRONG, NOT_ATTEMPTED = "right", "partly", "wrong", "not attempted"
CRASHED, TIMEOUT, MEMORY, FORGED, LOST = "crashed", "timeout", "memory", "forged", "lost"
OUTCOMES = (RIGHT, PARTLY, WRONG, NOT_ATTEMPTED, CRASHED, TIMEOUT, MEMORY, FORGED, LOST)


@dataclass(frozen=True)
class Cell:
    """One code cell as it was handed in. `number` counts all cells of the notebook from 0."""

    source: str
    number: int = 0
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Submission:
    """The code cells of one sheet in their order; a .py file is one cell. `name` is only for messages."""

    cells: tuple[Cell, ...]
    name: str = ""


@dataclass(frozen=True)
class Limits:
    """Of one child, which runs one exercise of one submission (bytes, seconds).

    `memory` is what it may take on top of the libraries, `file` the largest file (where it may write at all), `result`
    what it may hand back.
    """

    seconds: float = 10.0  # wall clock
    cpu_seconds: int = 10
    memory: int = 2**30
    file: int = 32 * 2**20
    result: int = 32 * 2**20
    processes: int = 32  # on top of the user's own, threads among them; only where they cannot be refused altogether


@dataclass(frozen=True)
class GradedExercise:
    """One exercise of one submission.

    `outcome` is one of OUTCOMES ("partly": not right, and some points; "forged": what came back could not have been
    written by the grader's own code; "lost": the grader or the machine failed: grade it again). `report` is what
    `check` would have said: points, sentence (`report.message`), mistake, every check. `flags`: where a person should
    look, never a change of the score. `notes`: how the answer was found. `reported`: what only the child can know, and
    so might have made up. `source`: the code that ran.
    """

    report: Report
    outcome: str
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reported: tuple[str, ...] = ()
    seconds: float = 0.0
    source: str = ""

    @property
    def id(self) -> str:
        return self.report.exercise

    @property
    def title(self) -> str:
        return self.report.title

    @property
    def points(self) -> float:
        return self.report.points

    @property
    def out_of(self) -> int:
        return self.report.out_of

    @property
    def sentence(self) -> str:
        return self.report.message

    @property
    def mistake(self) -> str | None:
        return self.report.mistake


@dataclass(frozen=True)
class Graded:
    """One submission of one sheet. `notes` and `flags` of the whole submission; those of exercises stand there."""

    sheet: str
    exercises: tuple[GradedExercise, ...]
    notes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def points(self) -> float:
        return round(sum(exercise.points for exercise in self.exercises), 1)

    @property
    def out_of(self) -> int:
        return sum(exercise.out_of for exercise in self.exercises)

    @property
    def seconds(self) -> float:
        return sum(exercise.seconds for exercise in self.exercises)
