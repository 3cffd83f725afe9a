"""Builds the notebooks that changed, and never writes over a person's work."""

import pathlib
import sys
import time
from collections.abc import Callable

import nbformat
from nbformat import NotebookNode

from tools.notebooks import stamp
from tools.notebooks.execute import BuildError, execute
from tools.notebooks.predictions import cover
from tools.notebooks.source import Job, compose


def skeleton(notebook: NotebookNode) -> list[dict]:
    """What a source decides about a notebook: of each cell its kind, id, metadata and source, then the metadata."""
    cells = [{"type": cell.cell_type, "id": cell.id, "metadata": dict(cell.metadata), "source": cell.source}
             for cell in notebook.cells]
    return [*cells, {key: value for key, value in notebook.metadata.items() if key != stamp.KEY}]


def is_current(job: Job) -> bool:
    """Is the notebook on disk what a build would write: the same cells, run with the package as it is now?"""
    old = stamp.read(job.target)
    if old is None or skeleton(old) != skeleton(compose(job)):
        return False
    return job.kind == "exercise" or stamp.same_package(old)


def build(job: Job, *, beside: bool = False,
          progress: Callable[[int, int], None] = lambda done, of: None) -> pathlib.Path:
    """Build one notebook and return where it was written.

    Where a person has worked in the old one this raises `BuildError`, or with `beside` writes `NAME.new.ipynb`.
    """
    target = job.target
    old = stamp.read(target)
    if old is not None and stamp.worked_in(old, outputs_count=job.kind == "exercise"):
        if not beside:
            raise BuildError(
                f"{job} was changed by hand since it was built, and a build would write over that work. "
                f"Rename the file to keep it, delete it to drop it, or run `make notebooks BESIDE=1` to get the new "
                f"one as {target.stem}.new.ipynb next to it. (A change to the course itself belongs into "
                f"{job.source.relative_to(job.root).as_posix()}.)"
            )
        target = target.with_suffix(".new.ipynb")
    notebook = compose(job)
    target.parent.mkdir(parents=True, exist_ok=True)
    modules = [] if job.kind == "exercise" else execute(notebook, target.parent, label=str(job), progress=progress)
    if job.kind == "lesson":
        cover(notebook.cells)
    stamp.stamp(notebook, modules)
    nbformat.validate(notebook)
    partial = target.with_suffix(".partial")  # an interrupted build leaves the old notebook whole
    partial.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    partial.replace(target)
    return target


def build_all(wanted: list[Job], *, force: bool = False, beside: bool = False) -> list[str]:
    """Build what changed (all with `force`), print what happens, and return the reasons of those that failed."""
    failures = []
    for number, job in enumerate(wanted, start=1):
        head = f"[{number}/{len(wanted)}] {job}"
        start = time.perf_counter()
        try:
            if not force and is_current(job):
                print(f"{head}: up to date")
                continue
            target = build(job, beside=beside, progress=_counter(head))
            kilobytes = target.stat().st_size / 1000
            print(f"{head}: built in {time.perf_counter() - start:.1f} s, {kilobytes:.0f} kB"
                  + (f", written as {target.name}" if target != job.target else ""), flush=True)
        except (BuildError, ValueError) as error:
            print(f"{head}: FAILED\n{error}", flush=True)
            failures.append(str(error).splitlines()[0])
    return failures


def _counter(head: str) -> Callable[[int, int], None]:
    """A cell counter that stays on one line of a terminal, and is silent elsewhere."""
    def show(done: int, of: int) -> None:
        if sys.stdout.isatty():
            print(f"\r{head}: cell {done} of {of}", end="\r" if done < of else "\r\033[K", flush=True)
    return show
