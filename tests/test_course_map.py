"""The map of the course says what is there, and all of it."""

import re
from pathlib import Path

import pytest

from videoformer_edu.course import LESSONS, OBJECTIVES, course_map, lesson, objectives_table
from videoformer_edu.sheets import s04_timesformer

ROOT = Path(__file__).parents[1]


def rows(table: str) -> list[list[str]]:
    lines = [line.strip("|").split(" | ") for line in table.splitlines()]
    assert {len(cells) for cells in lines[:1] + lines[2:]} == {4}
    return [[cell.strip() for cell in cells] for cells in lines[2:]]


@pytest.mark.parametrize("one", LESSONS, ids=lambda one: one.name)
def test_ready_means_there(one):
    assert (ROOT / "notebooks" / "source" / f"{one.name}.py").exists() == one.ready
    assert (ROOT / "solutions" / "source" / f"{one.name}_sheet.py").exists() == one.sheet_ready


@pytest.mark.parametrize("one", [one for one in LESSONS if one.ready], ids=lambda one: one.name)
def test_lesson_says_the_title_the_question_and_the_minutes_of_the_map(one):
    text = (ROOT / "notebooks" / "source" / f"{one.name}.py").read_text(encoding="utf-8")
    question = one.question[0].lower() + one.question[1:]
    assert f"\n# # {one.name[:2]} · {one.title}: {question}\n" in text
    opening = text.split("You will be able to")[0]
    assert re.findall(r"(\d+)\s(?:# )?minutes", opening) == [str(one.minutes)]


def test_no_lesson_or_sheet_is_off_the_map():
    written = [path.stem for folder in ("notebooks", "solutions") for path in (ROOT / folder / "source").glob("*.py")]
    assert {name.removesuffix("_sheet") for name in written} <= {one.name for one in LESSONS}


def test_lessons_are_numbered_in_order():
    assert [one.name[:3] for one in LESSONS] == [f"{number:02d}_" for number in range(11)]


def test_sheet_of_lesson_04_is_as_the_map_says():
    exercises = s04_timesformer.SHEET.exercises
    assert (len(exercises), sum(one.minutes for one in exercises)) == (lesson("04").exercises,
                                                                      lesson("04").sheet_minutes)


def test_map_links_what_is_ready_and_nothing_else():
    table = course_map("notebooks/", "exercises/")
    links = re.findall(r"\]\(([^)]+)\)", table)
    assert links == [link for one in LESSONS for link, there in (
        (f"notebooks/{one.name}.ipynb", one.ready), (f"exercises/{one.name}_sheet.ipynb", one.sheet_ready)) if there]
    assert len(rows(table)) == len(LESSONS)
    assert sum("(not yet)" in cells[0] for cells in rows(table)) == sum(not one.ready for one in LESSONS)


def test_map_in_the_lesson_points_to_its_neighbours():
    links = re.findall(r"\]\(([^)]+)\)", course_map())
    assert links[-2:] == ["04_timesformer.ipynb", "../exercises/04_timesformer_sheet.ipynb"]


def test_every_lesson_serves_an_objective_and_every_objective_names_all_three():
    assert len(OBJECTIVES) == 5
    assert {number for one in OBJECTIVES for number in one.lessons} == {one.name[:2] for one in LESSONS}
    for one in OBJECTIVES:
        for part in one.exercises.split(" · "):
            number, which = part.split(": ")
            assert which == "all" or max(map(int, which.split(", "))) <= lesson(number).exercises
        assert set(re.findall(r"\((\d\d)\)", one.experiment)) <= set(one.lessons)


def test_objectives_mark_what_is_ready():
    for cells, one in zip(rows(objectives_table()), OBJECTIVES, strict=True):
        assert re.findall(r"\*\*(\d\d)\*\*", cells[1]) == [n for n in one.lessons if lesson(n).ready]
        assert re.findall(r"\*\*(\d\d):", cells[3]) == [
            part[:2] for part in one.exercises.split(" · ") if lesson(part[:2]).sheet_ready]
        assert [part.startswith("*") for part in cells[2].split("; ")] == [
            not lesson(part[-3:-1]).ready for part in one.experiment.split("; ")]


def test_unknown_lesson_is_named():
    with pytest.raises(ValueError, match="no lesson '12'; there are 00, 01"):
        lesson("12")


def test_the_readme_shows_the_same_tables():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert course_map("notebooks/", "exercises/") in readme and objectives_table() in readme


def test_every_place_the_readme_points_to_is_there():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    places = [place for place in re.findall(r"\]\(([^)]+)\)", readme) if "://" not in place]
    assert len(places) >= 8 and [place for place in places if not (ROOT / place).exists()] == []
