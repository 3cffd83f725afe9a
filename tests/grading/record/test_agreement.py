"""The grader of record says what `check` says in the notebook, to every answer of every bank."""

from __future__ import annotations

import pytest

from tests.grading.record.bank_as_text import handed_in
from videoformer_edu.grading.check import check
from videoformer_edu.grading.conclude import calls, conclude
from videoformer_edu.grading.record import Cell, Pool
from videoformer_edu.grading.record.cells import statements
from videoformer_edu.grading.record.grade import run
from videoformer_edu.grading.record.program import program_of
from videoformer_edu.grading.report import Report
from videoformer_edu.grading.spec import Exercise, Mutant, Style
from videoformer_edu.sheets import folders, load

EXERCISES = [exercise for number in folders() for exercise in load(number).exercises]
SEED = 0


@pytest.fixture(scope="module")
def pool():
    with Pool(workers=1) as made:
        yield made


def judged(exercise: Exercise, entry: Mutant | Style, pool: Pool) -> Report:
    there, notes = statements((Cell(handed_in(exercise, entry)),))
    assert not notes
    given, _ = run(program_of(exercise, there), exercise, calls(exercise, SEED), pool)
    return conclude(exercise, SEED, given)


@pytest.mark.filterwarnings("ignore")  # a notebook warns and goes on, here a warning would end the answer
@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
def test_both_graders_say_the_same(exercise, pool):
    for entry in (*exercise.mutants, Style("as worked"), *exercise.styles):
        report, noted = judged(exercise, entry, pool), check(exercise, exercise.functions_of(entry), seed=SEED)
        told = [(one.outcome, one.mistake, one.points, [c.rung for c in one.checks]) for one in (report, noted)]
        assert told[0] == told[1], (entry.name, report, noted)
