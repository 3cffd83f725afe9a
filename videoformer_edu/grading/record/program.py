"""Which of the handed-in statements an exercise needs: its functions, and what these read, as far as it goes.

That is the answer as the notebook has it, without its trials, its checks and its pictures: those never run.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from videoformer_edu.grading.answer_source import text_of
from videoformer_edu.grading.record.cells import Statement
from videoformer_edu.grading.spec import Exercise


@dataclass(frozen=True, eq=False)
class Program:
    """What a child runs. `missing`: functions of the exercise that nobody wrote; `broken`: those that are no Python."""

    statements: tuple[Statement, ...]
    missing: tuple[str, ...]
    broken: dict[str, str]
    notes: tuple[str, ...]

    @property
    def source(self) -> str:
        return "\n\n\n".join(statement.source.strip("\n") for statement in self.statements if statement.cell >= 0)

    def message(self) -> list[dict[str, object]]:
        return [{"file": part.file, "line": part.line, "source": part.source, "makes": sorted(part.makes)}
                for part in self.statements]


def program_of(exercise: Exercise, there: Sequence[Statement]) -> Program:
    """The statements for one exercise in their order: given helpers that were not handed in come from the sheet."""
    handed_in = {name for part in there for name in part.makes}
    own = _from_the_sheet(exercise, handed_in)
    parts, notes = [*own.values(), *there], []
    wanted, todo = {}, list(exercise.functions)
    while todo:
        name = todo.pop()
        if name in wanted:
            continue
        wanted[name], said = _chosen(name, parts)
        notes += [said] if said and name in (*exercise.functions, *_needed(exercise)) else []
        todo += [read for part in wanted[name] for read in sorted(part.reads)]
    stars = [part for part in there if "*" in part.makes]
    needed = {id(part) for found in wanted.values() for part in found} | {id(part) for part in stars}
    used = [part for part in parts if id(part) in needed]
    missing = tuple(name for name in exercise.functions if name not in handed_in)
    broken = {name: part.broken for part in used for name in part.makes if part.broken and part is wanted.get(
        name, [None])[-1]}
    if missing:
        notes.append(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in what was handed in")
    return Program(tuple(part for part in used if not part.broken), missing, broken, tuple(sorted(notes)))


def _chosen(name: str, parts: Sequence[Statement]) -> tuple[list[Statement], str]:
    """What makes a name: the last definition of it that is written, and whatever is assigned to it."""
    found = [part for part in parts if name in part.makes]
    definitions = [part for part in found if isinstance(part.tree, ast.FunctionDef) or part.broken]
    written = [part for part in definitions if not part.is_stub] or definitions
    last = next((part for part in reversed(written) if not part.broken), None) or (written[-1] if written else None)
    said = f"{name} is defined {len(definitions)} times: the one in cell {last.cell} counts" if len(
        definitions) > 1 else ""
    return [part for part in found if part not in definitions or part is last], said


def _needed(exercise: Exercise) -> dict[str, str]:
    """The functions of earlier exercises that this one stands on, with their arguments."""
    out: dict[str, str] = {}
    for need in exercise.needs:
        out |= _needed(need) | need.functions
    return out


def _from_the_sheet(exercise: Exercise, handed_in: set[str]) -> dict[str, Statement]:
    """Given helpers, and stubs for the functions of earlier exercises, where the submission has none."""
    texts = {name: f"def {name}({arguments}):\n    ..." for name, arguments in _needed(exercise).items()}
    answers = set(_needed(exercise)) | set(exercise.functions)
    texts |= {made.__name__: text_of(made) for made in exercise.whole if made.__name__ not in answers}
    out = {}
    for name, text in texts.items():
        if name not in handed_in:
            tree = ast.parse(text)
            reads = frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
            out[name] = Statement(-1, 1, text, frozenset([name]), reads, tree.body[0])
    return out
