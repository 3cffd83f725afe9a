"""From the cells of a submission to points: run what was handed in, end it, and only then look at what came back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Collection, Sequence
from dataclasses import replace

from videoformer_edu.grading.collect import Call, Given
from videoformer_edu.grading.conclude import calls, conclude, refused
from videoformer_edu.grading.crash import Crash
from videoformer_edu.grading.record import graded as out
from videoformer_edu.grading.record.cells import Statement, statements
from videoformer_edu.grading.record.flags import flags_of
from videoformer_edu.grading.record.graded import Graded, GradedExercise, Submission
from videoformer_edu.grading.record.hostile import given_of
from videoformer_edu.grading.record.pool import Ended, Pool
from videoformer_edu.grading.record.program import Program, program_of
from videoformer_edu.grading.record.server import UNCONFINED
from videoformer_edu.grading.record.wire import Forged, packed
from videoformer_edu.grading.report import CRASHED, RIGHT, WRONG, Report
from videoformer_edu.grading.settings import own_random_numbers
from videoformer_edu.grading.spec import Exercise, SheetSpec
from videoformer_edu.grading.words import builds_on_words

REPORTED = ("input unchanged", "the same twice")  # only the answer's own process could see these
FULL = ("can't allocate memory", "not enough memory", "MemoryError", "bad_alloc", "Cannot allocate memory")
_judging = threading.Lock()  # the engine's settings belong to the whole process


class Lost(RuntimeError):
    """The machine failed, not the answer."""


def grade_submission(submission: Submission, sheet: SheetSpec, seed: int, pool: Pool) -> Graded:
    """Run and judge every exercise. Raises nothing on account of what was handed in.

    seed: a secret, the same for a whole class, so that all get the same cases. Call it from as many threads as the
    pool has workers.
    """
    there, notes = statements(submission.cells)
    done: dict[str, GradedExercise] = {}
    for exercise in sheet.exercises:
        done[exercise.id] = _graded(exercise, there, seed, pool, done)
    return Graded(sheet.number, tuple(done.values()), tuple(notes))


def _graded(exercise: Exercise, there: Sequence[Statement], seed: int, pool: Pool,
            done: dict[str, GradedExercise]) -> GradedExercise:
    program = program_of(exercise, there)
    with _judging:
        asked = calls(exercise, seed)
    seconds, outcome = 0.0, None
    try:
        given, seconds = run(program, exercise, asked, pool)
        report = _concluded(exercise, seed, given)
        outcome = outcome_of(report, given)
    except Forged as error:
        outcome, given = out.FORGED, []
        report = refused(exercise, "What came back could not have been written by the grader's own code "
                                   f"({error}), so nothing of it counts. A person should look at this answer.")
    except Lost as error:
        outcome, given = out.LOST, []
        report = refused(exercise, f"The grader failed with this answer: {error}. Grade it again, and look.")
    shaky = [need.id for need in exercise.needs if need.id in done and done[need.id].outcome != out.RIGHT]
    if shaky and report.outcome in (CRASHED, WRONG) and outcome not in (out.FORGED, out.LOST):
        words = builds_on_words(shaky, bool(report.mistake))
        report = replace(report, message=f"{report.message}\n{words}")
    flags = flags_of(program.statements) + (("hands back something forged",) if outcome == out.FORGED else ())
    return GradedExercise(report, outcome, flags, program.notes, REPORTED if given else (), round(seconds, 3),
                          program.source)


def run(program: Program, exercise: Exercise, asked: Sequence[Call], pool: Pool) -> tuple[list[Given], float]:
    """What became of each call, and the seconds. After a call that ends the child, other functions get a new one."""
    given: dict[int, Given] = {i: Given(crash=Crash("SyntaxError", program.broken[call.function]))
                               for i, call in enumerate(asked) if call.function in program.broken}
    given |= {i: Given(stub=True) for i, call in enumerate(asked) if call.function in program.missing}
    seconds = 0.0
    while todo := [i for i in range(len(asked)) if i not in given]:
        ended = _run(program, exercise.helpers, [asked[i] for i in todo], pool)
        seconds += ended.seconds
        found = given_of(ended.result, [asked[i] for i in todo])
        given |= dict(zip(todo, found, strict=False))
        if len(found) < len(todo):
            function, why = asked[todo[len(found)]].function, _stopped(ended, pool)
            given |= {i: why for i in todo[len(found):] if asked[i].function == function}
    return [given[i] for i in range(len(asked))], seconds


def _run(program: Program, helpers: Sequence[str], asked: Sequence[Call], pool: Pool) -> Ended:
    job = packed({"program": program.message(), "helpers": helpers,
                  "calls": [{"function": call.function, "inputs": call.inputs, "twice": call.twice, "seed": call.seed}
                            for call in asked]})
    for _ in range(2):
        ended = pool.run(job)
        if ended.status is not None and ended.status >> 8 != UNCONFINED:
            return ended
    raise Lost("its process was lost" if ended.status is None else "its process could not be confined")


def _stopped(ended: Ended, pool: Pool) -> Given:
    """Why there is no record of a call."""
    number = ended.status & 0x7F
    if ended.late or number == signal.SIGXCPU:
        return Given(late=pool.limits.seconds if ended.late else float(pool.limits.cpu_seconds))
    if number:
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        return Given(crash=Crash("Ended", f"the process of the answer was ended by {name}"))
    return Given(crash=Crash("Ended", "the answer ended its own process"))


def _concluded(exercise: Exercise, seed: int, given: Sequence[Given]) -> Report:
    try:
        with _judging, own_random_numbers(0):
            return conclude(exercise, seed, given)
    except Exception as error:  # a result, or a sheet, that nobody has foreseen: a person looks, and the class goes on
        raise Lost(f"it cannot be judged ({type(error).__name__}: {error!s:.200})") from error


def outcome_of(report: Report, given: Collection[Given]) -> str:
    """One word for the whole exercise. What stopped it says more than the points of its other half."""
    if report.outcome == RIGHT:
        return out.RIGHT
    if any(one.late is not None for one in given):
        return out.TIMEOUT
    crash = next((one.crash for one in given if one.crash is not None), None)
    if crash is not None and any(word in crash.said for word in FULL):
        return out.MEMORY
    if report.outcome == CRASHED:
        return out.CRASHED
    return out.PARTLY if report.points else report.outcome
