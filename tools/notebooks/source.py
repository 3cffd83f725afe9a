"""From a source file to the notebook before its execution: cells, their ids, the bootstrap cell, the metadata."""

import hashlib
import pathlib
from dataclasses import dataclass

import jupytext
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from tools.notebooks.answers import as_exercise, as_solution

BOOTSTRAP = '''\
# Nothing happens here where the course is installed.
try:
    import videoformer_edu
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "The course package is missing in this kernel: in the folder of the course "
        "run `make lab`, or `pip install -e .` with this kernel's Python, "
        "and then restart the kernel."
    ) from None'''

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
    found = [Job(root, "lesson", path.stem) for path in sorted((root / "notebooks" / "source").glob("*.py"))]
    for path in sorted((root / "solutions" / "source").glob("*.py")):
        found += [Job(root, "solution", path.stem), Job(root, "exercise", path.stem)]
    return found


def compose(job: Job) -> NotebookNode:
    """The notebook of `job` as its source says it, not executed. Errors name the source file."""
    try:
        written = jupytext.reads(job.source.read_text(encoding="utf-8"), fmt="py:percent").cells
        ids = cell_ids(job.name, written)
        cells = [_cell(cell, id, job.kind) for cell, id in zip(written, ids, strict=True)]
    except (OSError, ValueError) as error:
        raise ValueError(f"{job.source}: {error}") from error
    if not cells or cells[0].cell_type != "markdown":
        raise ValueError(f"{job.source}: the first cell must be markdown, the title of the notebook")
    cells = [cell for cell in cells if not (job.kind == "exercise" and "solution" in tags(cell))]
    cells.insert(1, new_code_cell(BOOTSTRAP, id="bootstrap", metadata={"tags": ["bootstrap"]}))
    return new_notebook(cells=cells, metadata={
        "colab": {"name": job.target.name, "provenance": [], "toc_visible": True},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
    })


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


def _cell(cell: NotebookNode, id: str, kind: str) -> NotebookNode:
    read = {"lesson": str, "solution": as_solution, "exercise": as_exercise}[kind]
    source = read(cell.source) if cell.cell_type == "code" else cell.source
    if not source.strip():
        raise ValueError(f"an empty cell after the cell that begins {cell.source[:40]!r}")
    cell = NotebookNode(cell | {"id": id, "source": source.strip("\n")})
    # jupytext's notes about blank lines, and whatever else is no tag, stay in the source
    cell.metadata = NotebookNode({"tags": tags(cell)} if tags(cell) else {})
    return cell
