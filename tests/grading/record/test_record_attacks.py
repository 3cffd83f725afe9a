"""The table of attacks: what each must get, and that it costs its own exercise and nothing else."""

from __future__ import annotations

import os

import pytest

from tests.grading.record.attacks import forging, notebooks, patching, reaching, resources
from tests.grading.record.attacks.attack import RIGHT, Attack
from tests.grading.record.small_sheet import SHEET
from videoformer_edu.grading.record import Cell, Limits, Pool, Submission, grade_submission

PAIRS = Cell("def pairs(t, n):\n    return t * n * t * n\n", 2)
SEED = 20_26
SLOW = {"timeout": (pytest.mark.slow,)}  # each takes its whole time
TABLE = (*patching.ATTACKS, *forging.ATTACKS, *reaching.attacks(), *resources.ATTACKS, *notebooks.ATTACKS)


@pytest.fixture(scope="module")
def pool():
    with Pool(workers=1, limits=Limits(seconds=5, cpu_seconds=2, memory=2**28)) as made:
        yield made


def test_the_table_is_long_enough_and_names_nothing_twice():
    assert len({attack.name for attack in TABLE}) == len(TABLE) >= 120


def test_this_system_confines(pool):
    assert {"files", "filter"} <= set(pool.holds) or pool.missing  # elsewhere the grader says what it cannot stop


@pytest.mark.parametrize("attack", [pytest.param(one, id=one.name, marks=SLOW.get(one.outcome, ()))
                                    for one in TABLE])
def test_an_attack_gets_what_it_is_worth_and_costs_nobody_else(pool, attack: Attack):
    graded = grade_submission(Submission((Cell(attack.code, 1), PAIRS)), SHEET, SEED, pool)
    soft, pairs = graded.exercises
    assert (soft.points, soft.outcome) == (attack.points, attack.outcome or soft.outcome), soft.sentence
    assert (pairs.points, pairs.outcome) == (5, "right"), pairs.sentence  # the next child of the same process


def test_nothing_was_left_behind(pool):
    honest = grade_submission(Submission((Cell(RIGHT), PAIRS)), SHEET, SEED, pool)
    assert (honest.points, honest.notes, honest.exercises[0].flags) == (15, (), ())
    assert os.listdir(pool._folder.name) == []
    assert not any(os.path.exists(place) for place in ("/tmp/left-behind", "/dev/shm/left-behind", "/tmp/owned"))
