"""The student and the sheet, from the names that systems give and from the notebook itself."""

import pytest

from videoformer_edu.classroom.file_code import Code
from videoformer_edu.classroom.whose import author_of, sheet_of, student_of
from videoformer_edu.grading.record import Cell
from videoformer_edu.sheets import folders, load

SHEETS = {number: load(number) for number in folders()}
SLUGS = [sheet.slug for sheet in SHEETS.values()]


@pytest.mark.parametrize(("path", "name", "key", "by"), [
    ("Jo Doe_4711_assignsubmission_file/04_timesformer_sheet.ipynb", "Jo Doe", "4711", "Moodle"),
    ("Jo Doe_4711_assignsubmission_file_/deep/er/work.ipynb", "Jo Doe", "4711", "Moodle"),
    ("Jo Doe_4711_assignsubmission_file_04_timesformer_sheet.ipynb", "Jo Doe", "4711", "Moodle"),
    ("doejo_1234_567890_04_timesformer_sheet.ipynb", "doejo", "1234", "Canvas"),
    ("doejo_LATE_1234_567890_04_timesformer_sheet-2.ipynb", "doejo", "1234", "Canvas"),
    ("submitted/jo/04/04_timesformer_sheet.ipynb", "jo", "", "folder"),
    ("jo/work.ipynb", "jo", "", "folder"),
    ("04/jo_04_timesformer_sheet.ipynb", "jo", "", "file"),
    ("learner_07_04_timesformer_sheet.ipynb", "learner_07", "", "file"),
    ("04_timesformer_sheet_jo (1).ipynb", "jo", "", "file"),
    ("sheet_04_jo.py", "jo", "", "file"),
])
def test_the_student(path, name, key, by):
    found = student_of(path, SLUGS)
    assert (found.name, found.key) == (name, key)
    assert by in found.how
    assert found.late is ("LATE" in path)


@pytest.mark.parametrize("path", ["04_timesformer_sheet.ipynb", "submissions/04_timesformer_sheet (2).ipynb",
                                  "04.ipynb"])
def test_a_sheet_is_no_name(path):
    assert student_of(path, SLUGS) is None


def test_the_author_in_the_metadata():
    assert author_of({"authors": [{"name": "Jo Doe"}]}).name == "Jo Doe"
    for odd in ({}, {"authors": []}, {"authors": "Jo"}, {"authors": [{}]}, {"authors": [{"name": 3}]}):
        assert author_of(odd) is None


def code(names=(), colab=None) -> Code:
    text = "\n".join(f"def {name}(): ..." for name in names)
    return Code((Cell(text),), {"colab": {"name": colab}} if colab else {})


@pytest.mark.parametrize(("path", "given", "number", "by"), [
    ("work.ipynb", code(colab="Copy of 03_factorised_attention_sheet.ipynb"), "03", "metadata"),
    ("jo_04_timesformer_sheet.ipynb", code(), "04", "file"),
    ("04/jo.ipynb", code(), "04", "folder"),
    ("sheet 02/jo.ipynb", code(), "02", "folder"),
    ("jo.ipynb", code(("heard", "wiring", "spatial")), "03", "functions: 3 of"),
    ("jo.ipynb", code(("nothing",)), None, ""),
    ("99/jo.ipynb", code(), None, ""),
])
def test_the_sheet(path, given, number, by):
    found, how = sheet_of(path, given, SHEETS)
    assert found == number and by in how
