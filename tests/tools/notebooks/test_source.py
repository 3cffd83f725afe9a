import re
import subprocess
import sys

import pytest
from nbformat.v4 import new_output

from tools.notebooks.predictions import answering, cover, is_covered
from tools.notebooks.source import BOOTSTRAP, Job, compose, jobs


def cells(root, kind):
    return compose(Job(root, kind, "04_tiny" if kind == "lesson" else "04_tiny_sheet")).cells


def test_jobs_are_a_lesson_and_a_sheet_in_two_versions(course):
    assert [str(job) for job in jobs(course)] == [
        "notebooks/04_tiny.ipynb", "solutions/04_tiny_sheet.ipynb", "exercises/04_tiny_sheet.ipynb"]


def test_bootstrap_is_the_first_code_cell_and_the_same_in_every_notebook(course):
    for job in jobs(course):
        second = compose(job).cells[1]
        assert (second.source, second.id, second.metadata) == (BOOTSTRAP, "bootstrap", {"tags": ["bootstrap"]})


def test_bootstrap_says_what_to_do_where_the_package_is_missing(tmp_path):
    """Above its error a notebook shows the line that failed, and that line says what to do."""
    program = ("import sys\nfrom IPython.core.interactiveshell import InteractiveShell\n"
               f"sys.modules['videoformer_edu'] = None\nInteractiveShell.instance().run_cell({BOOTSTRAP!r})")
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", ran.stdout)
    assert re.search(r"--> 1 import videoformer_edu  # .*`make lab`.*`pip install -e \.`.*restart the kernel", shown)
    assert "ModuleNotFoundError" in shown and len(BOOTSTRAP.splitlines()) == 2


def test_bootstrap_is_silent_where_the_package_is_installed(tmp_path):
    ran = subprocess.run([sys.executable, "-c", BOOTSTRAP], cwd=tmp_path, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_exercise_loses_the_cells_tagged_solution(course):
    assert [cell.source.split("\n")[0] for cell in cells(course, "solution")[2:]] == [
        "def double(x):", "Only the solution says why.",
        'print("attempted" if double(21) == 42 else "not attempted")', "---"]
    assert [cell.source.split("\n")[0] for cell in cells(course, "exercise")[2:]] == [
        "def double(x):", 'print("attempted" if double(21) == 42 else "not attempted")', "---"]


def test_ids_are_those_of_the_solution_in_the_exercise(course):
    solution = {cell.source: cell.id for cell in cells(course, "solution")}
    shared = [cell for cell in cells(course, "exercise") if cell.source in solution]
    assert len(shared) == 2  # the bootstrap and the last cell; the way to the sheet stands in the solution alone
    assert all(solution[cell.source] == cell.id for cell in shared)


def test_ids_survive_new_cells_and_edits_below_the_first_line(course):
    before = {cell.source: cell.id for cell in cells(course, "lesson")}
    path = course / "notebooks" / "source" / "04_tiny.py"
    text = path.read_text()
    path.write_text(text.replace("# %%\nprint", "# %% [markdown]\n# A new text.\n\n# %%\nprint")
                    .replace('("and ends")\n', '("and ends")\nprint("more")\n'))
    after = {cell.source: cell.id for cell in cells(course, "lesson")}
    last = 'print("it says", COURSE)\nprint("and ends")'
    assert len(after) == len(before) + 1
    assert after[last + '\nprint("more")'] == before[last]


def test_cells_that_begin_alike_have_different_ids(course):
    path = course / "notebooks" / "source" / "04_tiny.py"
    path.write_text(path.read_text() + "\n# %%\nx = 1\n\n# %%\nx = 1\n\n# %%\nx = 1\n")
    ids = [cell.id for cell in cells(course, "lesson")]
    assert len(set(ids)) == len(ids) == 9
    assert ids[-3:] == [f"{ids[-4]}-2", f"{ids[-4]}-3", "navigation"]


def test_metadata_is_fixed_and_holds_no_time(course):
    metadata = compose(Job(course, "lesson", "04_tiny")).metadata
    assert metadata.kernelspec == {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    assert metadata.colab == {"name": "04_tiny.ipynb", "provenance": [], "toc_visible": True}
    assert metadata.language_info.version == "3"  # of the language, not of one machine's Python


@pytest.mark.parametrize(("source", "message"), [
    ("# %%\nx = 1\n", "first cell must be markdown"),
    ("", "first cell must be markdown"),
    ("# %% [markdown]\n# # T\n\n# %%\n\n# %%\nx = 1\n", "empty cell"),
    ("# %% [markdown]\n# # T\n\n# %%\n# BEGIN SOLUTION\n", "never closed"),
])
def test_a_bad_source_is_refused_and_named(course, source, message):
    (course / "solutions" / "source" / "04_tiny_sheet.py").write_text(source)
    with pytest.raises(ValueError, match=rf"(?s)04_tiny_sheet\.py: .*{message}"):
        cells(course, "exercise")


def test_a_gap_of_a_lesson_is_followed_by_its_folded_answer(course):
    path = course / "notebooks" / "source" / "04_tiny.py"
    gap = """
# %% tags=["your_turn"]
def twice(x):
    # BEGIN SOLUTION
    y = x + x
    return y
    # END SOLUTION

print(twice(3))
"""
    path.write_text(path.read_text() + gap)
    *_, cell, answer, navigation = cells(course, "lesson")
    assert cell.source == "def twice(x):\n    ...  # your code here\n\nprint(twice(3))"
    assert answer.cell_type == "markdown" and answer.source == (
        "<details><summary>One way to fill it</summary><pre><code>y = x + x\nreturn y</code></pre></details>")
    filled = compose(Job(course, "lesson", "04_tiny"), answered=True).cells[-3]
    assert "y = x + x" in filled.source and filled.id == cell.id and "BEGIN" not in filled.source
    path.write_text(path.read_text().replace("    y = x + x\n    return y\n", "    return x + x\n"))
    with pytest.raises(ValueError, match="answer of 1 lines; two to four are asked for"):
        cells(course, "lesson")


def test_the_cells_that_answer_a_prediction_open_folded(course):
    path = course / "notebooks" / "source" / "04_tiny.py"
    asked = "# %% [markdown]\n# > **Predict.** What will it say?\n\n# %%\nprint"
    path.write_text(path.read_text().replace("# %%\nprint", asked))
    lesson = cells(course, "lesson")
    folded = [cell for cell in lesson if cell.metadata.get("collapsed")]
    assert folded == answering(lesson) and [cell.source[:5] for cell in folded] == ["print"]
    assert folded[0].metadata["jupyter"] == {"outputs_hidden": True}
    folded[0].outputs = [new_output("stream", text="the answer")]
    assert not is_covered(folded[0])
    cover(lesson)
    assert is_covered(folded[0]) and folded[0].outputs[1].text == "the answer"


def test_the_code_of_the_opening_picture_is_folded_in_a_lesson_alone(course):
    def hidden(kind):
        return [number for number, cell in enumerate(cells(course, kind))
                if cell.metadata.get("jupyter", {}).get("source_hidden")]

    assert cells(course, "lesson")[2].cell_type == "code"
    assert (hidden("lesson"), hidden("solution"), hidden("exercise")) == ([2], [], [])


def test_a_sheets_functions_come_from_its_spec(course):
    path = course / "solutions" / "source" / "04_tiny_sheet.py"
    path.write_text(path.read_text() + "\n# %%\n# GIVEN linear\n\n\n# ANSWER multi_head\n\n# %%\n# ANSWER norm\n")
    solved, unsolved = (cells(course, kind)[-3:-1] for kind in ("solution", "exercise"))
    assert [cell.metadata.tags for cell in unsolved] == [["answer:multi_head"], ["answer:norm"]]
    assert "scores.softmax(dim=-1) @ v" in solved[0].source and "softmax" not in unsolved[0].source
    for cell in (solved[0], unsolved[0]):
        assert "return F.linear(x" in cell.source and '-> (g, l, d); every token' in cell.source
    assert solved[1].source.count("\n") == 2 and unsolved[1].source.endswith('name.bias."""\n    ...  # your code here')
    path.write_text(path.read_text() + "\n# %%\n# ANSWER linear\n")
    with pytest.raises(ValueError, match=r"nothing called 'linear' for '# ANSWER linear'; there are: to_tubes, from"):
        cells(course, "solution")
