"""The top-level statements of handed-in cells, with the names that each makes and reads.

Cells are not run here. What does not parse costs only the definition that it stands in: a notebook's magics and shell
lines are left out, and a broken cell is taken apart at its definitions.
"""

from __future__ import annotations

import ast
import re
import symtable
from collections.abc import Iterator
from dataclasses import dataclass

from videoformer_edu.grading.record.graded import Cell

LONGEST = 100_000  # characters of one cell, and ten times as many of a submission
MAGIC = re.compile(r"^\s*([%!?].*|[\w.]+\?{1,2})\s*$")
ASSIGNED_MAGIC = re.compile(r"^(\s*[\w, ]+=\s*)[%!].*$")
HARMLESS_CELL_MAGIC = re.compile(r"^\s*%%(time|timeit|capture|prun)\b")
DEFINES = re.compile(r"^(?:async\s+)?(?:def|class)\s+(\w+)", re.MULTILINE)
NAMED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


@dataclass(frozen=True, eq=False)
class Statement:
    """One statement at the margin of a cell. `broken`: why it is no Python; `tree` is None then.

    `makes` are the names that it binds or writes into, `reads` those that it takes from the notebook.
    """

    cell: int
    line: int
    source: str
    makes: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    tree: ast.stmt | None = None
    broken: str = ""

    @property
    def file(self) -> str:
        return f"<cell {self.cell}>"

    @property
    def is_stub(self) -> bool:
        """A function whose body is nothing but a docstring, `...`, `pass`, or `raise NotImplementedError`."""
        return isinstance(self.tree, ast.FunctionDef) and all(map(_says_nothing, self.tree.body))


def _says_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr | ast.Return):
        return node.value is None or isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Raise)
                                          and "NotImplementedError" in ast.dump(node)[:200])


def statements(cells: tuple[Cell, ...]) -> tuple[list[Statement], list[str]]:
    """Everything at the margin of the cells in order, and notes on what was left out."""
    out, notes, read = [], [], 0
    for cell in cells:
        text = re.sub(r"\A\ufeff", "", cell.source)
        text = re.sub(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", "\n", text).replace("\0", "")
        if len(text) > LONGEST or read + len(text) > 10 * LONGEST:
            notes.append(f"cell {cell.number} was not read: it has {len(text):,} characters")
            continue
        read += len(text)
        found, note = _of_cell(cell, text.encode("utf-8", "replace").decode())
        out += found
        notes += [f"cell {cell.number}: {note}"] if note else []
    return out, notes


def _of_cell(cell: Cell, text: str) -> tuple[list[Statement], str]:
    if _parsed(text) is not None:
        return list(_read(cell, text, 1)), ""
    text, note = _without_magics(text)
    if _parsed(text) is not None:
        return list(_read(cell, text, 1)), note
    out, line = [], 1
    for chunk in _chunks(text):
        out += _read(cell, chunk, line)
        line += chunk.count("\n")
    return out, note


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except NOT_PYTHON:
        return None


def _without_magics(text: str) -> tuple[str, str]:
    """The text with as many lines, IPython's own commands left out."""
    lines = text.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.lstrip().startswith("%%") and not HARMLESS_CELL_MAGIC.match(first):
        return "\n" * (len(lines) - 1), f"a cell of {first.strip()[:20]} is not Python and was not read"
    out, dropped = [], 0
    for line in lines:
        kept = re.match(r"\s*", line)[0] + "pass" if MAGIC.match(line) else ASSIGNED_MAGIC.sub(r"\1None", line)
        dropped += kept != line
        out.append(kept)
    return "\n".join(out), f"{dropped} of its lines are IPython's commands and were left out" if dropped else ""


def _chunks(text: str) -> Iterator[str]:
    """A broken text cut before its definitions; each of these is cut once more behind the last line that it needs."""
    lines, starts = text.splitlines(keepends=True), [0]
    for number, line in enumerate(lines):
        decorated = number and lines[number - 1].startswith("@")
        if number and re.match(r"@|(?:async\s+)?(?:def|class)\s", line) and not decorated:
            starts.append(number)
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        cuts = [end, *(i for i in range(end - 1, start, -1) if lines[i][:1] not in " \t\n#)]}")][:20]
        cut = next((i for i in cuts if _parsed("".join(lines[start:i])) is not None), end)
        yield "".join(lines[start:cut])
        if cut < end:
            yield "".join(lines[cut:end])


def _read(cell: Cell, text: str, first: int) -> Iterator[Statement]:
    """The statements of a text that begins at line `first` of its cell."""
    try:
        lines, tree = text.split("\n"), ast.parse(text)
        for node in tree.body:
            begins = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
            source = "\n".join(lines[begins - 1:node.end_lineno])
            if node.col_offset or len(lines[node.end_lineno - 1].encode()) > node.end_col_offset:  # `a = 1; b = 2  # c`
                source = ast.get_source_segment(text, node) if begins == node.lineno else source
            yield Statement(cell.number, first + begins - 1, source, frozenset(_made(node)), _reads(source), node)
    except NOT_PYTHON as error:
        line = first + (getattr(error, "lineno", None) or 1) - 1
        why = f"{type(error).__name__}: {getattr(error, 'msg', error)} (cell {cell.number}, line {line})"
        names = DEFINES.findall(text) or [tag[7:] for tag in cell.tags if tag.startswith("answer:")]
        yield Statement(cell.number, first, text, frozenset(names), broken=why)


def _reads(source: str) -> frozenset[str]:
    """The names that it looks for in the notebook, from all of its functions."""
    found, tables = set(), [symtable.symtable(source, "cell", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        found |= {name.get_name() for name in table.get_symbols()
                  if name.is_referenced() and (name.is_global() or table.get_type() == "module")}
    return frozenset(found)


def _made(statement: ast.stmt) -> Iterator[str]:
    """Names that it binds, and those into whose attributes or items it writes."""
    todo: list[ast.AST] = [statement]
    while todo:
        node = todo.pop()
        if isinstance(node, NAMED):
            yield node.name
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (name.asname or name.name.partition(".")[0] for name in node.names)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            yield from _base(node)
        if not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            todo += ast.iter_child_nodes(node)


def _base(node: ast.AST) -> Iterator[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id
