"""Each layer alone stops its part; without any the attempts of the table are real."""

from __future__ import annotations

import pytest

from tests.grading.record.attacks.attack import RIGHT
from tests.grading.record.attacks.reaching import attacks
from tests.grading.record.small_sheet import SHEET
from videoformer_edu.grading.record import Cell, Limits, Pool, Submission, grade, grade_submission, pool, seccomp

FILES = {"the sheets by their path", "the solutions by their path", "the package from its file",
         "a folder's list of names", "the package put back on the path"}
CALLS = {"a socket of any kind", "a child of its own", "System V memory for the next child"}


def got_through(layers: tuple[str, ...], names: set[str]) -> tuple[set[str], Pool]:
    with Pool(workers=1, limits=Limits(seconds=20), layers=layers) as made:
        return {attack.name for attack in attacks() if attack.name in names and grade_submission(
            Submission((Cell(attack.code),)), SHEET, 1, made).exercises[0].points == 10}, made


@pytest.mark.parametrize("layers, stopped", [((), set()), (("files",), FILES), (("filter",), CALLS)])
def test_a_layer_stops_its_part(layers, stopped):
    through, made = got_through(layers, FILES | CALLS)
    assert set(layers) <= set(made.holds) or made.missing
    assert through == (FILES | CALLS) - (stopped if set(layers) <= set(made.holds) else set())


def test_what_is_missing_is_said():
    with Pool(workers=1, layers=("files",)) as made:
        said = " ".join(made.missing)
    assert "No filter of system calls" in said and "No namespaces" in said


@pytest.mark.parametrize("column, machine", seccomp.MACHINES.values())
def test_the_filter_is_well_formed(column, machine):
    program = seccomp.filter_of(column, machine, 7)
    lines = [program[i:i + 8] for i in range(0, len(program), 8)]
    assert len(program) % 8 == 0 and len(lines) < 4096
    for number, line in enumerate(lines):
        code, yes, no = int.from_bytes(line[:2], "little"), line[2], line[3]
        ends = code == seccomp.RETURN
        assert ends or number + 1 + max(yes, no) < len(lines)  # every jump lands within
    assert int.from_bytes(lines[-1][4:], "little") == seccomp.ALLOW


def test_numbers_of_calls_are_given_once():
    for column in (0, 1):
        numbers = [pair[column] for pair in seccomp.CALLS.values() if pair[column] is not None]
        assert len(set(numbers)) == len(numbers)


def test_a_child_reads_no_place_that_holds_the_package(tmp_path):
    package = pool.PACKAGE.resolve()
    for place in pool.readable(pool.search_path(), str(tmp_path)):
        assert not package.is_relative_to(place)


def test_a_lost_server_is_started_again_and_the_answer_is_graded():
    with Pool(workers=1) as made:
        made._all[0]._process.kill()
        made._all[0]._process.wait()
        graded = grade_submission(Submission((Cell(RIGHT),)), SHEET, 1, made)
    assert [exercise.outcome for exercise in graded.exercises] == ["right", "not attempted"]


def test_a_judge_that_fails_is_no_fault_of_the_answer(monkeypatch):
    def fails(*anything):
        raise ValueError("a sheet with a fault")

    monkeypatch.setattr(grade, "conclude", fails)
    with Pool(workers=1) as made:
        soft, _ = grade_submission(Submission((Cell(RIGHT),)), SHEET, 1, made).exercises
    assert (soft.outcome, soft.points) == ("lost", 0) and "a sheet with a fault" in soft.sentence
