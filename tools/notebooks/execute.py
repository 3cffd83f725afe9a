"""Runs a notebook from top to bottom and keeps of it only what another run would give again."""

import copy
import os
import pathlib
import re
from collections.abc import Callable

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

CELL_TIMEOUT = 300  # seconds
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

# Asked in the kernel after the last cell: which files of the course did this notebook use?
LOADED = """\
import sys
print("\\n".join(sorted(name for name in sys.modules if name.partition(".")[0] == "videoformer_edu")))"""


class BuildError(RuntimeError):
    """A notebook could not be built; the message says where, what and, where we know it, what to do."""


def execute(notebook: NotebookNode, folder: pathlib.Path, *, label: str,
            progress: Callable[[int, int], None] = lambda done, of: None) -> list[str]:
    """Run all cells of `notebook` in `folder` and fill in their outputs, in place.

    Returns the names of the course's modules that it loaded. A cell that fails, or writes to stderr, stops the build:
    a lesson shows no warnings.
    """
    question, metadata = new_code_cell(LOADED), copy.deepcopy(notebook.metadata)
    notebook.cells.append(question)
    client = NotebookClient(
        notebook, timeout=CELL_TIMEOUT, kernel_name="python3", record_timing=False, coalesce_streams=True,
        store_widget_state=False, extra_arguments=["--log-level=ERROR"], resources={"metadata": {"path": str(folder)}},
        on_cell_executed=lambda cell_index, **_: progress(cell_index + 1, len(notebook.cells) - 1),
    )
    try:
        client.execute(env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "HF_HUB_OFFLINE": "1"}
                       | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"})
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        traceback = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # without its colours, for logs and small terminals
        raise BuildError(f"{label}: {_place(notebook)} failed\n{traceback}") from None
    finally:
        notebook.cells.remove(question)
        notebook.metadata = metadata  # without what this machine's kernel says about itself
    for number, cell in enumerate(notebook.cells):
        _settle(cell, f"{label}: {_name(number, cell)}")
    return "".join(output.text for output in question.outputs).split()


def _settle(cell: NotebookNode, where: str) -> None:
    """Refuse stderr, and widgets, which live in one kernel only."""
    for output in cell.get("outputs", []):
        if output.output_type == "stream" and output.name == "stderr":
            raise BuildError(f"{where} wrote to stderr; a lesson shows no warnings and no progress bars\n{output.text}")
        if WIDGET_VIEW in output.get("data", {}):
            raise BuildError(f"{where} shows a widget, which is dead where no kernel runs; make it an explorer that "
                             "lives in the page (videoformer_edu.widgets.page_explorer)")


def _place(notebook: NotebookNode) -> str:
    """The cell that ran last."""
    run = [(n, cell) for n, cell in enumerate(notebook.cells) if cell.get("execution_count") or cell.get("outputs")]
    return _name(*run[-1]) if run else "the first cell"


def _name(number: int, cell: NotebookNode) -> str:
    return f"cell {number + 1} ({cell.source.strip().partition(chr(10))[0]!r})"
