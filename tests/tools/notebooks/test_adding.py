"""Adding a lesson and a sheet takes one source each and one folder: shown on a copy of the course, then removed."""

import os
import pathlib
import shutil
import subprocess
import sys

import nbformat
import pytest

ROOT = pathlib.Path(__file__).parents[3]
LESSON = '''\
# /// lesson
# title = "Thrown away"
# question = "What does it take to add a lesson?"
# minutes = 5
# needs = "nothing."
# objectives = ["**add** a lesson"]
# serves.1 = { exercises = "all" }
# ///

# %% [markdown]
# A lesson that is taken away again.
#
# OBJECTIVES
#
# > **Predict.** What is twice 21?

# %%
print("twice 21 is", 2 * 21)

# %% [markdown]
# ## Exercises
#
# SHEET
'''
SHEET = '''\
# %% [markdown]
# One function.
#
# EXERCISES

# %%
from videoformer_edu.sheets import progress, sheet

(ex1,) = sheet("98")

# %% [markdown]
# STATEMENT 98.1

# %%
# ANSWER twice

# %%
ex1.check(twice)

# %%
progress("98")
'''
SPEC = '''\
"""Sheet 98."""

import numpy as np

from videoformer_edu.grading.spec import Case, Exercise, Mutant, SheetSpec, Style


def twice(x):
    """x -> 2 x."""
    return 2 * x


def cases(rng):
    return [Case("some numbers", "twice", {"x": rng.standard_normal((n, 3)).astype(np.float32)}, "all doubled")
            for n in (2, 5)]


SHEET = SheetSpec("98", "Twice", "98_thrown_away_sheet", (Exercise(
    id="98.1", title="Twice", difficulty=1, minutes=3, points=10, why="it is the smallest exercise.",
    objectives=("double a tensor",), answer=(twice,), cases=cases,
    oracle=lambda case: 2.0 * case.inputs["x"].astype(np.float64),
    hints=("Add it to itself.", "x + x", "2 * x"),
    mutants=(Mutant("squared", (("2 * x", "x * x"),), "You squared it."),),
    styles=(Style("sum", {"twice": lambda x: x + x}),)),))
'''


def run(root, *command):
    variables = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-m", *command], cwd=root, env=variables, capture_output=True, text=True)


@pytest.mark.slow
def test_a_lesson_and_a_sheet_are_added_built_checked_and_removed(tmp_path):
    leave = shutil.ignore_patterns("__pycache__", "*.ipynb", "out")
    for name in ("videoformer_edu", "tools", "notebooks", "solutions"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=leave)
    shutil.copy(ROOT / "README.md", tmp_path)
    before = (tmp_path / "README.md").read_text(encoding="utf-8")
    added = {"notebooks/source/98_thrown_away.py": LESSON, "solutions/source/98_thrown_away_sheet.py": SHEET,
             "videoformer_edu/sheets/s98_thrown_away/__init__.py": SPEC}
    for name, text in added.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")

    built = run(tmp_path, "tools.notebooks", "build", "98")
    assert built.returncode == 0, built.stdout + built.stderr
    lesson, solution, exercise = (nbformat.read(tmp_path / folder / f"98_thrown_away{sheet}.ipynb", 4)
                                  for folder, sheet in (("notebooks", ""), ("solutions", "_sheet"),
                                                        ("exercises", "_sheet")))
    assert "98 · Thrown away: what does it take to add a lesson?" in lesson.cells[0].source
    assert lesson.cells[2].metadata.collapsed and lesson.cells[2].outputs[1].text == "twice 21 is 42\n"
    assert "right" in str(solution.cells[-3].outputs) and "return 2 * x" not in str(exercise.cells)
    assert "[**98 · Thrown away**](notebooks/98_thrown_away.ipynb)" in (tmp_path / "README.md").read_text("utf-8")
    checked = run(tmp_path, "tools.notebooks", "check", "98")
    assert "differs" not in checked.stdout and "README" not in checked.stdout
    bank = run(tmp_path, "videoformer_edu.sheets", "98")
    assert bank.returncode == 0 and "98.1 Twice, seed 0: 1 of 1 rejected" in bank.stdout

    for name in added:
        (tmp_path / name).unlink()
    (tmp_path / "videoformer_edu" / "sheets" / "s98_thrown_away").rename(tmp_path / "gone")
    assert run(tmp_path, "tools.notebooks", "build", "exercises").returncode == 0
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == before
