"""Which cells must have run before some of them can: those that make the names that these use, and so on."""

import dis
from collections.abc import Iterable, Iterator, Sequence
from types import CodeType


def needed(cells: Sequence[str], asked: Iterable[int]) -> list[int]:
    """The numbers of the cells to run, in order: `asked`, and all before them that make a name which is used later.

    A cell that only changes what another one made is not seen; what misses it fails, or prints something else.
    """
    asked, names, found = set(asked), set(), []
    for number in reversed(range(max(asked) + 1)):
        code = compile(cells[number], f"cell {number}", "exec")
        made = {step.argval for step in dis.get_instructions(code) if step.opname == "STORE_NAME"}
        if number in asked or made & names:
            found.append(number)
            names |= set(used(code))
    return found[::-1]


def used(code: CodeType) -> Iterator[str]:
    """The names that a cell, or a function in it, takes from outside of itself."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
            yield step.argval
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from used(part)
