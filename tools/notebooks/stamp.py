"""What a built notebook remembers: whether a person has worked in it since, and what it was built with.

The stamp lies in the notebook's metadata under `videoformer_edu`: `cells`, a digest of the cells as they were
written; `modules`, the course's modules that its run loaded; `package`, a digest of those files and of the data in
the package.
"""

import hashlib
import pathlib

import nbformat
from nbformat import NotebookNode

KEY = "videoformer_edu"
PACKAGE = pathlib.Path(__file__).parents[2] / "videoformer_edu"


def stamp(notebook: NotebookNode, modules: list[str], package: pathlib.Path = PACKAGE) -> None:
    """Write the stamp of a finished notebook, in place."""
    notebook.metadata[KEY] = {"cells": _cells(notebook)}
    if modules:
        notebook.metadata[KEY] |= {"modules": modules, "package": package_digest(modules, package)}


def read(path: pathlib.Path) -> NotebookNode | None:
    """The notebook at `path`, or None where there is none. A file that is no notebook raises, naming it."""
    if not path.exists():
        return None
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises many kinds, from JSON errors to missing keys
        raise ValueError(f"{path} is not a notebook that can be read ({error}); move it away") from error


def worked_in(notebook: NotebookNode, *, outputs_count: bool) -> bool:
    """Has a person changed the notebook since it was built?

    Running a lesson again changes nothing that is worth keeping; in an exercise an output is a result
    (`outputs_count`). A notebook without a stamp is a person's.
    """
    if outputs_count and any(cell.get("outputs") for cell in notebook.cells):
        return True
    return notebook.metadata.get(KEY, {}).get("cells") != _cells(notebook)


def same_package(notebook: NotebookNode, package: pathlib.Path = PACKAGE) -> bool:
    """Was the notebook run with the package as it is now, as far as that run looked at it?"""
    remembered = notebook.metadata.get(KEY, {})
    return remembered.get("package") == package_digest(remembered.get("modules", []), package)


def package_digest(modules: list[str], package: pathlib.Path = PACKAGE) -> str:
    """A digest of the named modules of the package and of all its data files (weights, clips, scripts)."""
    files = {path for path in package.rglob("*")
             if path.is_file() and path.suffix not in (".py", ".pyc") and "__pycache__" not in path.parts}
    for name in modules:
        place = package.parent.joinpath(*name.split("."))
        files.add(place / "__init__.py" if place.is_dir() else place.with_suffix(".py"))
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(package.parent).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() if path.exists() else b"gone")
    return digest.hexdigest()[:16]


def _cells(notebook: NotebookNode) -> str:
    text = "\0".join(f"{cell.cell_type} {cell.source.rstrip()}" for cell in notebook.cells)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
