"""The notebooks as they lie in the repository: built from their sources, and keeping the rules.

What they print is compared by strict notebook validation (`make check-notebooks`); this looks at the rest.
"""

import pathlib
import re

import nbformat
import pytest
import torch
from needed import needed

from tools.notebooks.answers import BEGIN, END, STUB, answer_lines
from tools.notebooks.build import skeleton
from tools.notebooks.course import read_course
from tools.notebooks.execute import execute
from tools.notebooks.rules import RULES
from tools.notebooks.source import BOOTSTRAP, Job, as_written, compose, jobs, tags

ROOT = pathlib.Path(__file__).parents[2]
JOBS = jobs(ROOT)
SHEETS = [job for job in JOBS if job.kind == "exercise"]
WHOLE_LINE = 20  # characters: a shorter line of an answer may well stand elsewhere for another reason


def committed(job: Job):
    assert job.target.exists(), f"{job} is not built; run `make notebooks`"
    return nbformat.read(job.target, as_version=4)


def names(folder: str) -> set[str]:
    return {path.stem for path in (ROOT / folder).glob("*.ipynb") if not path.stem.endswith(".new")}


def test_every_notebook_has_a_source():
    built = {str(job) for job in JOBS}
    there = {f"{folder}/{name}.ipynb" for folder in ("notebooks", "solutions", "exercises") for name in names(folder)}
    assert there == built, "a notebook without a source, or a source that was not built; run `make notebooks`"


@pytest.mark.parametrize("job", JOBS, ids=str)
def test_notebook_is_what_its_source_says(job):
    assert skeleton(committed(job)) == skeleton(compose(job)), f"change {job.source.name}, then run `make notebooks`"


@pytest.mark.parametrize(("job", "rule"), [(job, rule) for job in JOBS for rule in RULES[job.kind]],
                         ids=lambda value: getattr(value, "__name__", str(value)))
def test_notebook_keeps_the_rule(job, rule):
    assert list(rule(committed(job))) == []


@pytest.mark.parametrize("job", JOBS, ids=str)
def test_bootstrap_is_the_same_everywhere(job):
    first = next(cell for cell in committed(job).cells if cell.cell_type == "code")
    assert first.source == BOOTSTRAP


@pytest.mark.parametrize("job", SHEETS, ids=str)
def test_nothing_of_the_solution_is_left_in_the_exercise(job):
    secrets = {id: answer_lines(cell.source) for id, cell in zip(*as_written(job, read_course(ROOT)), strict=True)
               if cell.cell_type == "code"}
    sheet = committed(job)
    everything = {line.strip() for cell in sheet.cells for line in cell.source.splitlines()}
    assert any(secrets.values()), "a sheet without answers"
    for cell in sheet.cells:
        own = {line.strip() for line in cell.source.splitlines()}
        assert own & set(secrets.get(cell.id, [])) == set()
        assert not re.search(f"{BEGIN}|{END}|{STUB}", cell.source)
    assert everything & {line for lines in secrets.values() for line in lines if len(line) >= WHOLE_LINE} == set()


WITH_GAPS = [job for job in JOBS if job.kind == "lesson" and any("your_turn" in tags(c) for c in compose(job).cells)]


@pytest.mark.slow
@pytest.mark.parametrize("job", WITH_GAPS, ids=str)
def test_a_gap_is_open_in_the_lesson_and_its_answer_is_right(job, capsys):
    """The gap's own cell runs after the cells that make what it uses; that all of them run is seen elsewhere."""
    gaps = [cell for cell in committed(job).cells if "your_turn" in tags(cell)]
    said = "Your turn: fill the gap above and run this cell again.\n"
    assert [cell.outputs[0].text for cell in gaps] == [said] * len(gaps)
    cells = [cell for cell in compose(job, answered=True).cells if cell.cell_type == "code"]
    asked, names = [number for number, cell in enumerate(cells) if "your_turn" in tags(cell)], {"__name__": "__main__"}
    assert len(asked) == len(gaps)
    with torch.enable_grad():  # what a lesson switches off comes back
        for number in needed([cell.source for cell in cells], asked):
            capsys.readouterr()
            exec(compile(cells[number].source, str(job), "exec"), names)
            assert number not in asked or capsys.readouterr().out == "Right.\n"


@pytest.mark.slow
@pytest.mark.parametrize("job", SHEETS, ids=str)
def test_the_unsolved_sheet_runs_to_its_end(job, tmp_path):
    notebook = compose(job)
    execute(notebook, tmp_path, label=str(job))
    ran = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert ran == list(range(1, len(ran) + 1))
