"""The course as it is: every lesson and sheet on the map, every objective served, every link alive."""

import pathlib
import re

import nbformat
import pytest

from tools.notebooks.__main__ import readme_problems
from tools.notebooks.course import read_course
from tools.notebooks.fill import course_map, objectives_table
from tools.notebooks.source import jobs
from videoformer_edu.sheets import folders

ROOT = pathlib.Path(__file__).parents[2]
COURSE = read_course(ROOT)
JOBS = jobs(ROOT)


def rows(table: str) -> list[list[str]]:
    lines = [line.strip("|").split(" | ") for line in table.splitlines()]
    assert {len(cells) for cells in lines[:1] + lines[2:]} == {4}
    return [[cell.strip() for cell in cells] for cells in lines[2:]]


def test_lessons_are_numbered_in_order():
    assert [one.name[:3] for one in COURSE.lessons] == [f"{number:02d}_" for number in range(len(COURSE.lessons))]


def test_every_sheet_of_the_package_is_in_the_course():
    assert [one.number for one in COURSE.lessons if one.spec is not None] == sorted(folders())


def test_every_lesson_serves_an_objective_and_every_objective_is_served_and_practised():
    assert len(COURSE.objectives) == 5
    assert all(one.serves for one in COURSE.lessons)
    for number in map(str, range(1, 6)):
        serving = [one.serves[number] for one in COURSE.lessons if number in one.serves]
        assert any("experiment" in how for how in serving) and any("exercises" in how for how in serving)


@pytest.mark.parametrize("one", [one for one in COURSE.lessons if one.spec or one.announced], ids=lambda one: one.name)
def test_exercises_that_an_objective_names_are_there(one):
    count = len(one.spec.exercises) if one.spec else one.announced[0]
    for how in one.serves.values():
        which = how.get("exercises", "all")
        assert which == "all" or set(which) <= set(range(1, count + 1))


def test_the_map_says_what_is_there():
    table = course_map(COURSE, "notebooks/", "exercises/")
    assert len(rows(table)) == len(COURSE.lessons) == len(re.findall(r"^\| .*\d\d · ", table, re.M))
    assert all((ROOT / place).exists() for place in re.findall(r"\]\(([^)]+)\)", table))
    assert len(rows(objectives_table(COURSE))) == len(COURSE.objectives)


def test_the_readme_shows_the_same_tables():
    assert readme_problems(ROOT) == []


def test_every_place_the_readme_points_to_is_there():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    places = [place for place in re.findall(r"\]\(([^)]+)\)", readme) if "://" not in place]
    pictures = re.findall(r'<img src="([^"]+)"', readme)
    assert len(places) >= 8 and len(pictures) == len(COURSE.written())
    assert [place for place in places + pictures if not (ROOT / place).exists()] == []


@pytest.mark.parametrize("job", JOBS, ids=str)
def test_every_link_of_a_notebook_leads_somewhere_and_its_first_line_leads_on(job):
    cells = [cell.source for cell in nbformat.read(job.target, 4).cells if cell.cell_type == "markdown"]
    links = [place for text in cells for place in re.findall(r"\]\(([^)#\s]+\.(?:ipynb|md))\)", text)]
    assert links and [place for place in links if not (job.target.parent / place).exists()] == []
    first = next(line for line in cells[0].splitlines()[1:] if line)
    assert first.count("](") >= 1 and cells[-1] == f"---\n{first}"
