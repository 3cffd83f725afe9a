import subprocess
import sys

import pytest

from tools.notebooks.source import BOOTSTRAP, Job, compose, jobs


def cells(root, kind):
    return compose(Job(root, kind, "01_tiny")).cells


def test_jobs_are_a_lesson_and_a_sheet_in_two_versions(course):
    assert [str(job) for job in jobs(course)] == [
        "notebooks/01_tiny.ipynb", "solutions/01_tiny.ipynb", "exercises/01_tiny.ipynb"]


def test_bootstrap_is_the_first_code_cell_and_the_same_in_every_notebook(course):
    for job in jobs(course):
        second = compose(job).cells[1]
        assert (second.source, second.id, second.metadata) == (BOOTSTRAP, "bootstrap", {"tags": ["bootstrap"]})


def test_bootstrap_says_what_to_do_where_the_package_is_missing(tmp_path):
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", BOOTSTRAP], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 1
    last = ran.stderr.strip().splitlines()[-1]
    assert "make lab" in last and "pip install -e ." in last and last.count(". ") == 0


def test_bootstrap_is_silent_where_the_package_is_installed(tmp_path):
    ran = subprocess.run([sys.executable, "-c", BOOTSTRAP], cwd=tmp_path, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_exercise_loses_the_cells_tagged_solution(course):
    assert [cell.source.split("\n")[0] for cell in cells(course, "solution")[2:]] == [
        "def double(x):", "Only the solution says why.",
        'print("attempted" if double(21) == 42 else "not attempted")']
    assert [cell.source.split("\n")[0] for cell in cells(course, "exercise")[2:]] == [
        "def double(x):", 'print("attempted" if double(21) == 42 else "not attempted")']


def test_ids_are_those_of_the_solution_in_the_exercise(course):
    solution = {cell.source: cell.id for cell in cells(course, "solution")}
    shared = [cell for cell in cells(course, "exercise") if cell.source in solution]
    assert len(shared) == 3
    assert all(solution[cell.source] == cell.id for cell in shared)


def test_ids_survive_new_cells_and_edits_below_the_first_line(course):
    before = {cell.source: cell.id for cell in cells(course, "lesson")}
    path = course / "notebooks" / "source" / "01_tiny.py"
    text = path.read_text()
    path.write_text(text.replace("# %%\nprint", "# %% [markdown]\n# A new text.\n\n# %%\nprint") + "print('more')\n")
    after = {cell.source: cell.id for cell in cells(course, "lesson")}
    last = 'print("it says", BLANK)\nprint("and ends")'
    assert len(after) == len(before) + 1
    assert after[last + "\nprint('more')"] == before[last]


def test_cells_that_begin_alike_have_different_ids(course):
    path = course / "notebooks" / "source" / "01_tiny.py"
    path.write_text(path.read_text() + "\n# %%\nx = 1\n\n# %%\nx = 1\n\n# %%\nx = 1\n")
    ids = [cell.id for cell in cells(course, "lesson")]
    assert len(set(ids)) == len(ids) == 7
    assert ids[-2:] == [f"{ids[-3]}-2", f"{ids[-3]}-3"]


def test_metadata_is_fixed_and_holds_no_time(course):
    metadata = compose(Job(course, "lesson", "01_tiny")).metadata
    assert metadata.kernelspec == {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert metadata.colab == {"name": "01_tiny.ipynb", "provenance": [], "toc_visible": True}
    assert "version" not in metadata.language_info


@pytest.mark.parametrize(("source", "message"), [
    ("# %%\nx = 1\n", "first cell must be markdown"),
    ("", "first cell must be markdown"),
    ("# %% [markdown]\n# # T\n\n# %%\n\n# %%\nx = 1\n", "empty cell"),
    ("# %% [markdown]\n# # T\n\n# %%\n# BEGIN SOLUTION\n", "never closed"),
])
def test_a_bad_source_is_refused_and_named(course, source, message):
    (course / "solutions" / "source" / "01_tiny.py").write_text(source)
    with pytest.raises(ValueError, match=rf"(?s)01_tiny\.py: .*{message}"):
        cells(course, "exercise")
