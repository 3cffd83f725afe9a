import pytest

from tools.notebooks.answers import BLANK, answer_lines, as_exercise, as_solution

CELL = '''\
def groups(x, grid):
    """Regroup."""
    t = grid.t
    # BEGIN SOLUTION
    # STUB: n = ...
    # STUB:
    # STUB:     return ...
    n = grid.n
    return x.reshape(n, t)
    # END SOLUTION


def mean(x):
    # BEGIN SOLUTION
    return x.mean()
    # END SOLUTION'''


def test_solution_keeps_the_answers_and_loses_the_markers():
    assert as_solution(CELL) == '''\
def groups(x, grid):
    """Regroup."""
    t = grid.t
    n = grid.n
    return x.reshape(n, t)


def mean(x):
    return x.mean()'''


def test_exercise_has_the_stub_at_its_place_or_the_blank():
    assert as_exercise(CELL) == f'''\
def groups(x, grid):
    """Regroup."""
    t = grid.t
    n = ...

        return ...


def mean(x):
    {BLANK}'''


def test_a_function_with_the_blank_returns_none():
    names = {}
    exec(as_exercise("def f(x):\n    # BEGIN SOLUTION\n    return x\n    # END SOLUTION"), names)
    assert names["f"](1) is None


def test_a_cell_without_markers_is_the_same_in_both():
    assert as_solution("a = 1\n\nb = 2") == as_exercise("a = 1\n\nb = 2") == "a = 1\n\nb = 2"


def test_answer_lines_leave_out_what_the_learner_sees_anyway():
    assert answer_lines(CELL) == ["n = grid.n", "return x.reshape(n, t)", "return x.mean()"]
    assert answer_lines("x = 1\n# BEGIN SOLUTION\nx = 1\n# END SOLUTION") == []


@pytest.mark.parametrize(("cell", "message"), [
    ("# BEGIN SOLUTION\nx = 1", "never closed"),
    ("x = 1\n# END SOLUTION", "line 2 .* not open"),
    ("# BEGIN SOLUTION\n# BEGIN SOLUTION\n# END SOLUTION", "line 2 .* open already"),
])
def test_unpaired_markers_are_refused(cell, message):
    with pytest.raises(ValueError, match=message):
        as_exercise(cell)
