"""Answers to predictions are not to be read before the reader asks for them.

A text that asks for a prediction (`> **Predict.** ...`) is answered by the code cells that follow it, up to the next
text. JupyterLab opens such a cell folded and unfolds it when it is run; but while it is folded it shows the first line
of the stored output, so an output with nothing in it stands before the others. Pages and copies for other places fold
or leave out the outputs of the same cells: `answering` says which they are.
"""

import re

from nbformat import NotebookNode
from nbformat.v4 import new_output

PREDICT = re.compile(r"^> \*\*Predict\.\*\*", re.M)
FOLDED = {"collapsed": True, "jupyter": {"outputs_hidden": True}}
# A transparent pixel: of a kind that notebook validation does not compare and JupyterLab does not quote.
EMPTY = {"image/png": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNgYAAAAAMAASsJTYQAAAAASUVORK5CYII="}


def answering(cells: list[NotebookNode]) -> list[NotebookNode]:
    """The code cells whose outputs answer a prediction."""
    found, asked = [], False
    for cell in cells:
        if cell.cell_type == "markdown":
            asked = bool(PREDICT.search(cell.source))
        elif asked:
            found.append(cell)
    return found


def fold(cells: list[NotebookNode]) -> None:
    """Have the cells that answer predictions open folded, in place."""
    for cell in answering(cells):
        cell.metadata.update(FOLDED)


def cover(cells: list[NotebookNode]) -> None:
    """Put an empty output before those that answer a prediction, in place."""
    for cell in answering(cells):
        if cell.outputs:
            cell.outputs.insert(0, new_output("display_data", EMPTY))


def is_covered(cell: NotebookNode) -> bool:
    """Is nothing of the cell's outputs to be read before it is run?"""
    folded = all(cell.metadata.get(key) == value for key, value in FOLDED.items())
    return folded and (not cell.outputs or cell.outputs[0].get("data") == EMPTY)
