"""The grader of record says what `check` says in the notebook, to every answer of every bank."""

from __future__ import annotations

import pytest

from tests.grading.record.bank_as_text import handed_in
from videoformer_edu.grading.conclude import calls, conclude
from videoformer_edu.grading.record import Cell, Pool
from videoformer_edu.grading.record.cells import statements
from videoformer_edu.grading.record.grade import run
from videoformer_edu.grading.record.program import program_of
from videoformer_edu.grading.report import RIGHT, WRONG, Report
from videoformer_edu.grading.spec import Exercise, Mutant, Style
from videoformer_edu.sheets import folders, load

EXERCISES = [exercise for number in folders() for exercise in load(number).exercises]
SEED = 0  # test_bank asks `check` the same, with this seed among others


@pytest.fixture(scope="module")
def pool():
    with Pool(workers=1) as made:
        yield made


def judged(exercise: Exercise, entry: Mutant | Style, pool: Pool) -> Report:
    there, notes = statements((Cell(handed_in(exercise, entry)),))
    assert not notes
    given, _ = run(program_of(exercise, there), exercise, calls(exercise, SEED), pool)
    return conclude(exercise, SEED, given)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
def test_a_mistake_is_named_and_a_right_answer_is_right(exercise, pool):
    for mutant in exercise.mutants:
        report = judged(exercise, mutant, pool)
        assert (report.outcome, report.mistake) == (WRONG, mutant.name), report
    for style in (Style("as worked"), *exercise.styles):
        report = judged(exercise, style, pool)
        assert (report.outcome, report.points) == (RIGHT, exercise.points), (style.name, report)
