"""What the heads of the sources say, and what the builder writes from it."""

import re

import pytest
from conftest import HEAD, PLAN

from tools.notebooks.course import read_course
from tools.notebooks.fill import course_map, fill_readme, objectives_table
from tools.notebooks.source import Job, compose


def change(root, old, new, name="notebooks/source/04_tiny.py"):
    path = root / name
    assert old in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def test_a_lesson_is_there_when_its_source_is_and_planned_otherwise(course):
    tiny, planned = read_course(course).lessons
    assert (tiny.label, tiny.written, tiny.minutes, len(tiny.spec.exercises)) == ("04 · A tiny lesson", True, 7, 4)
    assert (planned.written, planned.spec, planned.announced) == (False, None, (3, 30))
    (course / "solutions" / "source" / "04_tiny_sheet.py").unlink()
    assert read_course(course).lessons[0].spec is None


def test_titles_navigation_and_tables_are_written_into_the_cells(course):
    lesson = compose(Job(course, "lesson", "04_tiny")).cells
    assert lesson[0].source.startswith("# 04 · A tiny lesson: how small can a lesson be?\n\n[sheet 04]")
    assert "**Time:** 7 minutes. **You need:** nothing." in lesson[0].source
    assert "- **read** three cells" in lesson[0].source
    assert "(../exercises/04_tiny_sheet.ipynb) has 4 exercises: 50 minutes, 100 points" in lesson[-2].source
    assert lesson[-1].id == "navigation"
    sheet = compose(Job(course, "exercise", "04_tiny_sheet")).cells
    assert "[lesson 04 · A tiny lesson](../notebooks/04_tiny.ipynb)" in sheet[0].source
    assert "| 04.2 | Spatial attention, with CLS in every frame | 15 | 30 |" in sheet[0].source
    assert sheet[0].source.count("**Why it matters**") == 4 and "STATEMENT" not in sheet[0].source


def test_neighbours_are_linked_both_ways(course):
    text = (course / "notebooks" / "source" / "04_tiny.py").read_text(encoding="utf-8")
    (course / "notebooks" / "source" / "06_later.py").write_text(text.replace("A tiny lesson", "A later one"))
    first, second = (compose(Job(course, "lesson", name)).cells[-1].source for name in ("04_tiny", "06_later"))
    assert "[06 · A later one](06_later.ipynb) →" in first and "← [04 · A tiny lesson](04_tiny.ipynb)" in second


def test_the_map_links_what_is_there_and_nothing_else(course):
    table = course_map(read_course(course), "notebooks/", "exercises/")
    assert re.findall(r"\]\(([^)]+)\)", table) == ["notebooks/04_tiny.ipynb", "exercises/04_tiny_sheet.ipynb"]
    assert "05 · The next one *(not yet)* | And then? | 20 | 3 exercises, 30 min *(not yet)*" in table
    row = objectives_table(read_course(course)).splitlines()[-1]
    assert row == "| 1. Read | **04**, *05* | what a cell says (04) | **04: all** · *05: 1, 2* |"


def test_the_readme_is_filled_between_its_markers(course):
    text = "before\n<!-- course map -->\nold\n<!-- end -->\n\n<!-- objectives -->\n<!-- end -->\nafter\n"
    filled = fill_readme(text, read_course(course))
    assert filled.startswith("before\n<!-- course map -->\n| lesson |") and filled.endswith("<!-- end -->\nafter\n")
    assert fill_readme(filled, read_course(course)) == filled
    with pytest.raises(ValueError, match="expected one `<!-- objectives -->`"):
        fill_readme("<!-- course map -->\n<!-- end -->\n", read_course(course))


@pytest.mark.parametrize(("old", "new", "message"), [
    (HEAD.strip(), "", "a lesson begins with its head"),
    ("# minutes = 7\n", "", "says nothing about minutes"),
    ("# minutes = 7", "# minutes = seven", "the head is not TOML"),
    ("# minutes = 7", "# minutes = 7\n# cost = 3", "look at cost"),
    ("# serves.1", "# serves.2", "04_tiny serves objective 2; course.toml has 1"),
    ("# minutes = 7", "# minutes = 7\n# sheet = { exercises = 4, minutes = 50 }", "take `sheet` out of the head"),
    ("# OBJECTIVES", "# nothing", "the markers OBJECTIVES, SHEET are needed"),
    ("# SHEET", "# SHEET\n#\n# STATEMENT 04.1", "nothing is called 'STATEMENT 04.1'"),
    ("# What you will see.", "# # A title", "the first cell has a title of its own"),
])
def test_a_head_or_marker_that_is_wrong_is_named(course, old, new, message):
    change(course, old, new)
    with pytest.raises(ValueError, match=re.escape(message)):
        compose(Job(course, "lesson", "04_tiny"))


def test_a_sheet_needs_every_statement_once_and_in_order(course):
    change(course, "# STATEMENT 04.2\n# STATEMENT 04.3", "# STATEMENT 04.3\n# STATEMENT 04.2",
           "solutions/source/04_tiny_sheet.py")
    with pytest.raises(ValueError, match="STATEMENT 04.1, STATEMENT 04.2, .* once each and in this order"):
        compose(Job(course, "exercise", "04_tiny_sheet"))


def test_a_sheet_without_a_lesson_and_a_lesson_that_is_also_planned_are_refused(course):
    change(course, "[lessons.05_next]", "[lessons.04_tiny]", "notebooks/source/course.toml")
    with pytest.raises(ValueError, match="04_tiny is written; its head stands in its source"):
        read_course(course)
    (course / "notebooks" / "source" / "course.toml").write_text(PLAN, encoding="utf-8")
    (course / "solutions" / "source" / "07_lost_sheet.py").write_text("# %% [markdown]\n# x\n")
    with pytest.raises(ValueError, match="no lesson is called '07_lost'"):
        read_course(course)
