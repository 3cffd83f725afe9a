"""The rules that a finished notebook keeps: each a function from the notebook to the sentences that say what is wrong.

They look at what strict notebook validation does not see: cells that never ran, pictures, sizes, the shape of a
lesson.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import nbformat
from nbformat import NotebookNode

from tools.notebooks.predictions import EMPTY, FOLDED, answering, is_covered
from tools.notebooks.source import tags

CODE_LINES = 20
NOTEBOOK_BYTES, EXPLORER_BYTES, TOTAL_BYTES = 400_000, 1_000_000, 2_500_000
LESSON_CELLS = range(35, 61)

ALLOWED_TAG = re.compile(r"bootstrap|solution|your_turn|answer:[a-z][a-z0-9_]*")
CELL_METADATA = {"tags", *FOLDED}
METADATA = {"colab", "kernelspec", "language_info", "videoformer_edu"}
# Hosts that a finished output may name: the namespaces of SVG, and pages that a text may link to.
HOSTS = ("www.w3.org", "arxiv.org", "doi.org", "github.com", "peach.blender.org", "creativecommons.org")


def not_run(notebook: NotebookNode) -> Iterator[str]:
    """Every code cell ran once, from top to bottom, and none failed or warned."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in code]
    if counts != list(range(1, len(code) + 1)):
        yield f"the code cells ran as {counts}, expected 1 to {len(code)} in order"
    for cell, output in _outputs(notebook):
        if output.output_type == "error":
            yield f"{_name(cell)} failed with {output.ename}"
        if output.get("name") == "stderr":
            yield f"{_name(cell)} wrote to stderr"


def run(notebook: NotebookNode) -> Iterator[str]:
    """Nothing ran and nothing is filled in (an exercise sheet as it is handed out)."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count):
            yield f"{_name(cell)} has outputs or an execution count"


def metadata(notebook: NotebookNode) -> Iterator[str]:
    """No saved widget state, no timestamps, no unknown tags, no duplicate ids."""
    if notebook.metadata.keys() - METADATA:
        yield f"unknown metadata {sorted(notebook.metadata.keys() - METADATA)}"
    for cell in notebook.cells:
        if cell.metadata.keys() - CELL_METADATA:
            yield f"{_name(cell)} has unknown metadata {sorted(cell.metadata.keys() - CELL_METADATA)}"
        unknown = [tag for tag in tags(cell) if not ALLOWED_TAG.fullmatch(tag)]
        if unknown:
            yield f"{_name(cell)} has tags {unknown}; allowed are {ALLOWED_TAG.pattern}"
    if len({cell.id for cell in notebook.cells}) != len(notebook.cells):
        yield "two cells have the same id"


def skips(notebook: NotebookNode) -> Iterator[str]:
    """No cell asks notebook validation to look away: the skip list is empty."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and re.search(r"#\s*(NBVAL_|PYTEST_VALIDATE_)", cell.source):
            yield f"{_name(cell)} asks to be skipped by a comment"
        if any(tag.startswith("nbval") or tag == "raises-exception" for tag in tags(cell)):
            yield f"{_name(cell)} asks to be skipped by a tag"


def sizes(notebook: NotebookNode) -> Iterator[str]:
    """A cell fits a screen; a notebook opens at once; only the data of explorers may weigh."""
    for cell in notebook.cells:
        lines = len(cell.source.splitlines())
        if cell.cell_type == "code" and lines > CODE_LINES and "bootstrap" not in tags(cell):
            yield f"{_name(cell)} has {lines} lines, at most {CODE_LINES} are allowed"
        if not cell.source.strip():
            yield f"cell {cell.id} is empty"
    total = len(nbformat.writes(notebook).encode())
    explorers = 0
    for cell, output in _outputs(notebook):
        html = output.get("data", {}).get("text/html", "")
        if "data-explorer" in html:
            explorers += len(html.encode())
            if len(html.encode()) > EXPLORER_BYTES:
                yield f"the explorer of {_name(cell)} has {len(html.encode())} bytes, at most {EXPLORER_BYTES}"
    if total - explorers > NOTEBOOK_BYTES:
        yield f"{total - explorers} bytes apart from explorers, at most {NOTEBOOK_BYTES}"
    if total > TOTAL_BYTES:
        yield f"{total} bytes, at most {TOTAL_BYTES}"


def pictures(notebook: NotebookNode) -> Iterator[str]:
    """Whatever shows a picture says in words what it shows; no picture comes from another place."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield from (f"{_name(cell)}: {problem}" for problem in _markup_problems(cell.source))
            if re.search(r"!\[\s*\]\(", cell.source):
                yield f"{_name(cell)}: a markdown picture without alt text"
            if re.search(r"!\[[^\]]*\]\(\s*<?(https?:|//)", cell.source):
                yield f"{_name(cell)}: a picture from another host"
    for cell, output in _outputs(notebook):
        data = output.get("data", {})
        bare = [] if data == EMPTY else sorted(kind for kind in data if kind.startswith("image/"))
        if bare:
            yield f"{_name(cell)}: a bare {bare[0]} has no alt text; show it through videoformer_edu.figures.show"
        yield from (f"{_name(cell)}: {problem}" for problem in _markup_problems(data.get("text/html", "")))


def repeatable(notebook: NotebookNode) -> Iterator[str]:
    """Outputs hold nothing that belongs to one machine or one run, and reach for no other host."""
    for cell, output in _outputs(notebook):
        text = "\n".join([output.get("text", ""), *map(str, output.get("data", {}).values())])
        if re.search(r"\bat 0x[0-9a-f]{6,}", text):
            yield f"{_name(cell)} prints an object's address"
        if re.search(r"(?<![\w.])/(root|home|Users|tmp|var)/\w", text):
            yield f"{_name(cell)} prints a path of one machine"
        for host in re.findall(r"(?:https?|wss?):\\?/\\?/([\w.-]+)", text):
            if host not in HOSTS:
                yield f"{_name(cell)} names the host {host}"


def lesson_shape(notebook: NotebookNode) -> Iterator[str]:
    """35 to 60 cells; what you will be able to do first; last an exercise pointer and a summary of three lines."""
    written = sum(not {"bootstrap", "your_turn"} & set(tags(cell)) and cell.id != "navigation"
                  and not cell.id.endswith("-answer") for cell in notebook.cells)
    if written not in LESSON_CELLS:
        yield f"{written} written cells, expected {LESSON_CELLS.start} to {LESSON_CELLS.stop - 1}"
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    if not re.match(r"# \S", prose[0]):
        yield "the first cell does not begin with the title, `# ...`"
    if not re.search(r"you will be able to|^#+ objectives", "\n".join(prose[:3]), re.I | re.M):
        yield "no objectives in the first three texts (`You will be able to ...`)"
    ending = "\n".join(prose[-4:])
    if not re.search(r"^#+ .*(exercise|your turn)", ending, re.I | re.M):
        yield "no heading `## Exercises` in the last four texts"
    summary = re.search(r"^#+ .*summary.*\n((?:.*\n?)*?)(?=^#|\Z)", ending, re.I | re.M)
    lines = re.findall(r"^(?:[-*]|\d\.) \S", summary[1], re.M) if summary else []
    if len(lines) != 3:
        yield f"the last texts need a heading `## Summary` over a list of three lines, found {len(lines)} lines"


def predictions(notebook: NotebookNode) -> Iterator[str]:
    """The answer to a prediction cannot be read before its cell is run; all other outputs stand open."""
    answers = [cell.id for cell in answering(notebook.cells)]
    for cell in notebook.cells:
        if cell.cell_type == "code" and (cell.id in answers) != is_covered(cell):
            yield f"{_name(cell)} {'answers a prediction openly' if cell.id in answers else 'is folded for no reason'}"


BUILT = (not_run, metadata, skips, sizes, pictures, repeatable)
RULES = {
    "lesson": (*BUILT, lesson_shape, predictions),
    "solution": BUILT,
    "exercise": (run, metadata, skips, sizes, pictures),
}


class _Pictures(HTMLParser):
    """Collects what is wrong with the pictures in a piece of HTML. Scripts are text to it, as to a browser."""

    def __init__(self):
        super().__init__()
        self.problems = []

    def handle_starttag(self, tag, attrs):
        given = {name: (value or "").strip() for name, value in attrs}
        if tag == "img" and not given.get("alt"):
            self.problems.append("an <img> without alt text")
        if tag in ("canvas", "svg") and not (given.get("aria-label") or given.get("aria-labelledby")
                                             or given.get("aria-hidden") == "true"):
            self.problems.append(f"a <{tag}> without aria-label")
        for name in ("src", "srcset", "poster", "data"):
            if re.match(r"(https?:)?//", given.get(name, "")):
                self.problems.append(f"a <{tag}> that loads {given[name]}")
        if tag == "link" and "href" in given:
            self.problems.append(f"a <link> that loads {given['href']}")


def _markup_problems(html: str) -> list[str]:
    parser = _Pictures()
    parser.feed(html)
    return parser.problems


def _outputs(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, NotebookNode]]:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            yield cell, output


def _name(cell: NotebookNode) -> str:
    return f"cell {cell.id} ({cell.source.strip().partition(chr(10))[0][:60]!r})"
