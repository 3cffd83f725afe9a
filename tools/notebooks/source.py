"""From a source file to the notebook before its execution: cells, their ids, the bootstrap cell, the metadata."""

import hashlib
import html
import pathlib
from dataclasses import dataclass

import jupytext
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.notebooks.answers import answer_of, as_exercise, as_solution
from tools.notebooks.course import Course, lesson_sources, read_course, sheet_sources, without_head
from tools.notebooks.fill import fill, fill_functions
from tools.notebooks.predictions import fold

# Where the package is missing, Python shows the first of these lines.
BOOTSTRAP = """\
import videoformer_edu  # not there? `make lab` in the course's folder, or `pip install -e .`; then restart the kernel
videoformer_edu.set_up_page()"""

# What JupyterLab would write at the opening, with the kernel's settings of tools/install.py: a notebook that differs
# is marked as unsaved before anybody has touched it.
KERNEL = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"codemirror_mode": {"name": "ipython", "version": 3}, "file_extension": ".py",
                      "mimetype": "text/x-python", "name": "python", "nbconvert_exporter": "python",
                      "pygments_lexer": "ipython3", "version": "3"},
}
GAP_LINES = range(2, 5)  # of the answer of a gap in a lesson

KINDS = {"lesson": "notebooks", "solution": "solutions", "exercise": "exercises"}


@dataclass(frozen=True)
class Job:
    """One notebook to build: `kind` is "lesson", "solution" or "exercise"."""

    root: pathlib.Path
    kind: str
    name: str

    @property
    def source(self) -> pathlib.Path:
        return self.root / ("notebooks" if self.kind == "lesson" else "solutions") / "source" / f"{self.name}.py"

    @property
    def target(self) -> pathlib.Path:
        return self.root / KINDS[self.kind] / f"{self.name}.ipynb"

    def __str__(self) -> str:
        return self.target.relative_to(self.root).as_posix()


def jobs(root: pathlib.Path) -> list[Job]:
    """Every notebook that the two source folders under `root` ask for, lessons first."""
    found = [Job(root, "lesson", path.stem) for path in lesson_sources(root)]
    for path in sheet_sources(root):
        found += [Job(root, "solution", path.stem), Job(root, "exercise", path.stem)]
    return found


def compose(job: Job, *, answered: bool = False) -> NotebookNode:
    """The notebook of `job` as its source says it, not executed. Errors name the source file.

    answered: a lesson whose gaps (`your_turn`) are filled with their answers, to see that these are right.
    """
    try:
        course = read_course(job.root)
        ids, written = as_written(job, course)
        cells = [made for cell, id in zip(written, ids, strict=True) for made in _cells(cell, id, job.kind, answered)]
        cells = [cell for cell in cells if not (job.kind == "exercise" and "solution" in tags(cell))]
        fill(cells, course, job.name, job.kind)
    except (OSError, ValueError) as error:
        raise ValueError(f"{job.source}: {error}") from error
    cells.insert(1, new_code_cell(BOOTSTRAP, id="bootstrap", metadata={"tags": ["bootstrap"]}))
    if job.kind == "lesson":
        fold(cells)
        if len(cells) > 2 and cells[2].cell_type == "code":  # a lesson opens with a picture; its code is a click away
            cells[2].metadata["jupyter"] = {"source_hidden": True}
    return new_notebook(cells=cells, metadata={
        "colab": {"name": job.target.name, "provenance": [], "toc_visible": True}, **KERNEL})


def as_written(job: Job, course: Course) -> tuple[list[str], list[NotebookNode]]:
    """The ids and the cells of a source, with the functions of its sheet filled in, markers and all."""
    text = without_head(job.source.read_text(encoding="utf-8"))
    written = jupytext.reads(text, fmt="py:percent").cells
    if not written or written[0].cell_type != "markdown":
        raise ValueError("the first cell must be markdown, the opening of the notebook")
    ids = cell_ids(job.name, written)
    for cell in written:
        if job.kind != "lesson" and cell.cell_type == "code":
            fill_functions(cell, course.lesson(job.name).spec)
    return ids, written


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def cell_ids(name: str, cells: list[NotebookNode]) -> list[str]:
    """An id for each cell from its first line, so that it survives edits below that line and cells put in above.

    Cells that begin alike are counted: the second gets `-2`.
    """
    seen, ids = {}, []
    for cell in cells:
        first = f"{name} {cell.cell_type} {cell.source.strip().partition(chr(10))[0]}"
        seen[first] = seen.get(first, 0) + 1
        digest = hashlib.sha256(first.encode()).hexdigest()[:10]
        ids.append(digest if seen[first] == 1 else f"{digest}-{seen[first]}")
    return ids


def _cells(cell: NotebookNode, id: str, kind: str, answered: bool) -> list[NotebookNode]:
    """A written cell as it stands in the notebook; a gap of a lesson is followed by its folded answer."""
    source, more = cell.source, []
    if cell.cell_type == "code" and kind == "lesson" and "your_turn" in tags(cell):
        answer = answer_of(source)
        if len(answer.splitlines()) not in GAP_LINES:
            raise ValueError(f"the gap in the cell that begins {source[:40]!r} has an answer of "
                             f"{len(answer.splitlines())} lines; two to four are asked for")
        source = as_solution(source) if answered else as_exercise(source)
        # one HTML block: a blank line would end it for nbconvert, and the answer would stand open in static pages
        more = [new_markdown_cell(f"<details><summary>One way to fill it</summary><pre><code>{html.escape(answer)}"
                                  "</code></pre></details>", id=f"{id}-answer")]
    elif cell.cell_type == "code":
        source = {"lesson": str, "solution": as_solution, "exercise": as_exercise}[kind](source)
    if not source.strip():
        raise ValueError(f"an empty cell after the cell that begins {cell.source[:40]!r}")
    cell = NotebookNode(cell | {"id": id, "source": source.strip("\n")})
    # jupytext's notes about blank lines, and whatever else is no tag, stay in the source
    cell.metadata = NotebookNode({"tags": tags(cell)} if tags(cell) else {})
    return [cell, *more]
