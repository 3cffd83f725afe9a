"""Most of these start a kernel and so are slow; the exercise, which no build runs, serves where it can."""

import json
import os
import pathlib
import re
import subprocess
import sys

import nbformat
import pytest

from tools.notebooks import stamp
from tools.notebooks.__main__ import main, problems
from tools.notebooks.build import build, build_all, is_current
from tools.notebooks.execute import BuildError
from tools.notebooks.source import Job, jobs

pytestmark = pytest.mark.slow


@pytest.fixture
def lesson(course):
    return Job(course, "lesson", "04_tiny")


@pytest.fixture
def exercise(course):
    return Job(course, "exercise", "04_tiny_sheet")


def outputs(job):
    return ["".join(output.get("text", "") for output in cell.outputs) for cell in nbformat.read(job.target, 4).cells
            if cell.cell_type == "code"]


def change(job, edit):
    notebook = nbformat.read(job.target, 4)
    edit(notebook)
    nbformat.write(notebook, job.target)
    return job.target.read_text()


def append(job, text):
    job.source.write_text(job.source.read_text() + text)


def test_build_runs_lessons_and_solutions_and_leaves_exercises_untouched(course, capsys):
    assert build_all(jobs(course)) == []
    lesson, solution, exercise = jobs(course)
    assert outputs(lesson) == ["", "", "it says videoformer_edu\nand ends\n"]
    assert outputs(solution) == ["", "", "attempted\n"]
    assert outputs(exercise) == ["", "", ""]
    assert "nobody may see" in solution.target.read_text()
    assert "nobody may see" not in exercise.target.read_text()
    build_all(jobs(course))
    assert capsys.readouterr().out.count("up to date") == 3


def test_two_builds_give_the_same_bytes(lesson):
    first = build(lesson).read_bytes()
    assert build(lesson).read_bytes() == first
    assert b"execution\":" not in first and b"3.11" not in first


def test_an_explorer_comes_with_its_still_picture_and_the_same_bytes(lesson):
    append(lesson, "\n# %%\nfrom videoformer_edu.widgets import clip_cost_explorer\n\nclip_cost_explorer()\n")
    first = build(lesson).read_bytes()
    assert b"a still picture" in first and b"data-explorer" in first
    assert build(lesson).read_bytes() == first


def test_a_widget_is_refused(lesson):
    append(lesson, "\n# %%\nimport ipywidgets\nipywidgets.IntSlider(value=4)\n")
    with pytest.raises(BuildError, match="dead where no kernel runs"):
        build(lesson)


PREDICTION = """
# %% [markdown]
# > **Predict.** What is twice 21?

# %%
print("the answer is", 2 * 21)

# %%
from IPython.display import HTML

HTML(f"<p>{2 * 21}, and no other</p>")
"""


def differing(job) -> int:
    """The number of cells in which strict notebook validation, as the gate calls it, finds a difference."""
    root = pathlib.Path(__file__).parents[3]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env",
               f"--nbval-sanitize-with={root / 'tests' / 'sanitize.cfg'}", str(job.target)]
    said = subprocess.run(command, cwd=job.root, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True,
                          text=True).stdout
    counted = re.fullmatch(r"(?:(\d+) failed, )?\d+ passed in .*", said.splitlines()[-1])
    return int(counted[1] or 0)


def test_what_covers_an_answer_passes_validation_and_the_answer_is_compared_all_the_same(lesson):
    append(lesson, PREDICTION)
    build(lesson)
    covered = [cell for cell in nbformat.read(lesson.target, 4).cells if cell.metadata.get("collapsed")]
    assert [list(cell.outputs[0].data) for cell in covered] == [["image/png"]] * 2
    assert [cell.outputs[1].get("text") or cell.outputs[1].data["text/html"] for cell in covered] == [
        "the answer is 42\n", "<p>42, and no other</p>"]
    assert differing(lesson) == 0
    lesson.target.write_text(lesson.target.read_text().replace("the answer is 42", "the answer is 43").replace(
        "42, and no other", "43, and no other"))
    assert differing(lesson) == 2


def test_a_changed_source_makes_a_notebook_stale(lesson):
    build(lesson)
    assert is_current(lesson)
    append(lesson, "\n# %%\nprint(1)\n")
    assert not is_current(lesson)


def test_a_change_in_a_module_that_it_used_makes_a_notebook_stale(lesson, tmp_path):
    notebook = nbformat.read(build(lesson), 4)
    assert notebook.metadata[stamp.KEY]["modules"] == [
        "videoformer_edu", "videoformer_edu.environment"]
    package = tmp_path / "videoformer_edu"
    for name in ("tokens", "cost", "__init__"):
        package.mkdir(exist_ok=True)
        (package / f"{name}.py").write_text(name)
    stamp.stamp(notebook, ["videoformer_edu", "videoformer_edu.tokens"], package)
    assert stamp.same_package(notebook, package)
    (package / "cost.py").write_text("not used by the notebook")
    assert stamp.same_package(notebook, package)
    (package / "weights.safetensors").write_text("data may be used by any")
    assert not stamp.same_package(notebook, package)
    (package / "weights.safetensors").unlink()
    (package / "tokens.py").write_text("used")
    assert not stamp.same_package(notebook, package)


@pytest.mark.parametrize(("code", "message"), [
    ("1 / 0", r"cell 6 \('1 / 0'\) failed(?s:.*)ZeroDivisionError"),
    ("import warnings\nwarnings.warn('look out')",
     r"cell 6 \('import warnings'\) wrote to stderr(?s:.*)look out"),
])
def test_a_cell_that_fails_or_warns_stops_the_build_and_keeps_the_old_notebook(lesson, code, message):
    before = build(lesson).read_text()
    append(lesson, f"\n# %%\n{code}\n")
    with pytest.raises(BuildError, match=message):
        build(lesson)
    assert lesson.target.read_text() == before


def edit_cell(notebook):
    notebook.cells[2].source += "\n# mine"


def add_cell(notebook):
    notebook.cells.append(nbformat.v4.new_markdown_cell("my notes"))


def keep_result(notebook):
    notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="my result\n")]


def lose_stamp(notebook):
    del notebook.metadata[stamp.KEY]


@pytest.mark.parametrize("edit", [edit_cell, add_cell, keep_result, lose_stamp])
def test_an_exercise_that_a_person_worked_in_is_never_written_over(exercise, edit):
    build(exercise)
    mine = change(exercise, edit)
    append(exercise, "\n# %%\nprint('a newer sheet')\n")
    message = r"exercises/04_tiny_sheet\.ipynb was changed by hand .*BESIDE=1.*solutions/source"
    with pytest.raises(BuildError, match=message):
        build(exercise)
    assert exercise.target.read_text() == mine


def test_force_does_not_write_over_work_either(exercise, capsys):
    build(exercise)
    mine = change(exercise, edit_cell)
    assert main(["build", "--force", "exercises"], exercise.root) == 1
    assert "changed by hand" in capsys.readouterr().out
    assert exercise.target.read_text() == mine


def test_the_new_notebook_can_be_had_beside_the_work(exercise):
    build(exercise)
    mine = change(exercise, edit_cell)
    written = build(exercise, beside=True)
    assert written.name == "04_tiny_sheet.new.ipynb"
    assert exercise.target.read_text() == mine
    assert "# mine" in mine and "# mine" not in written.read_text()


def test_a_lesson_that_a_person_changed_is_never_written_over(lesson):
    build(lesson)
    mine = change(lesson, edit_cell)
    with pytest.raises(BuildError, match="notebooks/04_tiny.ipynb was changed by hand"):
        build(lesson)
    assert lesson.target.read_text() == mine


def test_a_lesson_that_was_only_run_again_is_nobodys_work(lesson):
    first = build(lesson).read_text()
    change(lesson, keep_result)
    assert build(lesson).read_text() == first


def test_a_file_that_is_no_notebook_is_not_written_over(exercise):
    exercise.target.parent.mkdir()
    exercise.target.write_text("{my notes")
    with pytest.raises(ValueError, match=r"04_tiny_sheet\.ipynb is not a notebook that can be read"):
        build(exercise)
    assert exercise.target.read_text() == "{my notes"


def test_check_names_a_notebook_that_differs_from_its_source(lesson, capsys):
    assert problems(lesson) == ["not built; run `make notebooks`"]
    build(lesson)
    assert not [problem for problem in problems(lesson) if "differs" in problem]
    text = json.loads(lesson.target.read_text())
    text["cells"][0]["id"] = "another"
    lesson.target.write_text(json.dumps(text))
    assert [problem for problem in problems(lesson) if "differs from 04_tiny.py" in problem]
    assert main(["check", "notebooks"], lesson.root) == 1
    assert "differs from 04_tiny.py" in capsys.readouterr().out


def test_names_pick_notebooks_and_unknown_names_are_refused(course, capsys):
    assert main(["build", "exercises"], course) == 0
    assert [path.name for path in course.rglob("*.ipynb")] == ["04_tiny_sheet.ipynb"]
    with pytest.raises(SystemExit, match=r"no notebook is called '07'; there are: notebooks/04_tiny"):
        main(["build", "07"], course)
