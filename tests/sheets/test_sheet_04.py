"""Sheet 04 as a learner meets it: what it states, unsolved, solved, half solved, and its hints and answers."""

import inspect
import re
from pathlib import Path

import pytest

from tools.notebooks.source import Job, compose
from videoformer_edu.grading import progress_file as file
from videoformer_edu.sheets import load, sheet

ROOT = Path(__file__).parents[2]
SHEET = load("04")
SOLVED, UNSOLVED = (compose(Job(ROOT, kind, "04_timesformer_sheet")) for kind in ("solution", "exercise"))


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(file, "session", {})
    monkeypatch.setenv(file.VARIABLE, "")


def code(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def run(cells):
    """Run the cells of a sheet one after the other; returns its names, the last line's value as `_`."""
    names = {}
    for source in cells[:-1]:
        exec(compile(source, "<sheet>", "exec"), names)
    names["_"] = eval(compile(cells[-1], "<sheet>", "eval"), names)
    return names


def words(text):
    return " ".join(re.sub(r"^(# ?)?(> ?)?", "", line).strip() for line in text.splitlines()).split()


@pytest.mark.parametrize("exercise", SHEET.exercises, ids=lambda exercise: exercise.id)
def test_the_statement_says_what_the_spec_says(exercise):
    wanted = " ".join(words(exercise.statement()))
    row = f"| {exercise.id} | {exercise.title} | {exercise.minutes} | {exercise.points} |"
    for built in (SOLVED, UNSOLVED):
        text = "\n".join(cell.source for cell in built.cells if cell.cell_type == "markdown")
        assert " ".join(words(text)).count(wanted) == 1 and text.count(row) == 1


def test_facts_of_the_sheet():
    assert [exercise.id for exercise in SHEET.exercises] == ["04.1", "04.2", "04.3", "04.4"]
    assert sum(exercise.points for exercise in SHEET.exercises) == 100
    minutes = sum(exercise.minutes for exercise in SHEET.exercises)
    assert 35 <= minutes <= 60 and f"| together | {minutes} | 100 |" in UNSOLVED.cells[0].source


def test_every_function_has_one_answer_cell_as_the_spec_has_it():
    for exercise in SHEET.exercises:
        for name, function in exercise.right.items():
            solved, unsolved = ([cell for cell in built.cells if f"answer:{name}" in cell.metadata.get("tags", [])]
                                for built in (SOLVED, UNSOLVED))
            assert len(solved) == len(unsolved) == 1
            assert inspect.getsource(function).strip() in solved[0].source
            stub = f'def {exercise.signature(name)}:\n    """{function.__doc__}"""\n    ...  # your code here'
            assert stub in unsolved[0].source
        for helper in exercise.given:
            assert sum(inspect.getsource(helper).strip() in source for source in code(UNSOLVED)) == 1


def test_no_cell_is_long_and_hints_wait_to_be_asked_for():
    for cells in (SOLVED, UNSOLVED):
        assert max(len(source.splitlines()) for source in code(cells)[1:]) <= 20
        for number in range(1, 5):
            assert f"# ex{number}.hint()\n# ex{number}.solution()" in code(cells)


def test_unsolved_it_runs_to_its_end_and_scores_nothing(capsys):
    names = run(code(UNSOLVED))
    assert (names["_"].points, names["_"].percent) == (0, 0)
    assert {row[2] for row in names["_"].rows} == {"not attempted"}
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_solved_it_scores_everything_and_is_the_real_block(capsys):
    names = run(code(SOLVED))
    assert (names["_"].points, names["_"].percent) == (100, 100)
    out = capsys.readouterr()
    assert out.err == ""
    for said in ("from the package's module: 0.00000 at most", "changed: CLS 1 of 1, patches by frame [0, 0, 4] of 4",
                 "from the trained block: 0.0000 at most", "the same direction for 64 of 64 clips",
                 "by chance 12.5 %",
                 "crosses at 11 frames", "tube 0 ['t0·sky', 't1·sky']", "the largest weight of its gate is 0.3"):
        assert said in out.out


ANSWERS = [i for i, source in enumerate(code(SOLVED)) if source != code(UNSOLVED)[i]]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["unsolved", "raises"])
@pytest.mark.parametrize("number", ANSWERS)
def test_with_one_answer_missing_or_failing_it_still_runs_to_its_end(number, kind):
    cells = code(SOLVED)
    if kind == "unsolved":
        cells[number] = code(UNSOLVED)[number]
    else:
        cells[number] = code(UNSOLVED)[number].replace("...  # your code here", "raise RuntimeError('not today')")
    table = run(cells)["_"]
    assert 0 < table.points < 100 and len(table.rows) == 4


def test_hints_come_one_after_the_other_and_begin_again():
    ex = sheet("04").exercise(2)
    said = [repr(ex.hint()) for _ in range(4)]
    assert [line.split(":")[0] for line in said] == ["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3", "Hint 1 of 3"]
    assert said[0] == said[3] and len(set(said)) == 3


def test_the_solution_is_the_worked_answer():
    said = sheet("04").exercise("04.2").solution()
    assert "def multi_head(x, weights, name, heads):" in said.code and "repeat_interleave(t, dim=0)" in said.code
    assert "def to_tubes" not in said.code
    assert "<pre>" in said._repr_html_() and "def spatial_attention" in repr(said)


def test_a_failing_block_points_to_the_exercises_it_stands_on():
    ex1, _, ex3, _ = sheet("04")
    report = ex3.check(ex3.spec.right["norm"], lambda x, weights, t, heads: x * 1.5)
    assert "builds on 04.1 and 04.2, which are not right yet" in report.message
    ex1.check(*ex1.spec.right.values())
    assert ex1.solved and not ex3.solved
    crashed = ex3.check(ex3.spec.right["norm"], lambda x, weights, t, heads: x.view(-1))
    assert "builds on 04.2, which is not right yet" in crashed.message
    named = ex3.check(*ex3.spec.functions_of(ex3.spec.mutants[0]).values()).message
    assert named.startswith(ex3.spec.mutants[0].sentence)
    assert named.endswith("builds on 04.2, which is not right yet in this session.")


def test_wrong_use_is_explained():
    ex = sheet(4).exercise(1)
    with pytest.raises(TypeError, match=r"check\(to_tubes, from_tubes\); got 3"):
        ex.check(1, 2, 3)
    with pytest.raises(KeyError, match="there are: .*04"):
        sheet("77")
    with pytest.raises(KeyError, match="04.1, 04.2, 04.3, 04.4"):
        sheet("04").exercise(9)
    assert repr(ex).startswith("Exercise 04.1 Frames to tubes and back: to_tubes(x, t), from_tubes(tubes, b)")
    assert repr(sheet("04")) == "Sheet 04 Build a divided space-time block: 4 exercises"
