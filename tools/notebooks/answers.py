"""Answers in a sheet: one text, read in two ways.

The cell of an answer, filled from the sheet's spec (fill.py), holds it between two markers; what the learner finds in
its place stands there too, if the worked answer says so:

    def temporal_groups(x, grid):
        \"\"\"The docstring stays.\"\"\"
        # BEGIN SOLUTION
        # STUB: t, n = ...
        # STUB: return ...
        return rearrange(x, "b (t n) d -> (b n) t d", t=grid.t)
        # END SOLUTION

The solution keeps the answer and loses the three kinds of marker. The exercise keeps the `# STUB:` lines, at their
indentation; without any it gets `...  # your code here`, so that the function returns None and a check says "not
attempted". A cell tagged `solution` stands in the solution only. A lesson marks a gap for its reader in the same way,
in a cell tagged `your_turn`; its answer stands folded below it.
"""

import textwrap

BEGIN, END, STUB = "# BEGIN SOLUTION", "# END SOLUTION", "# STUB:"
BLANK = "...  # your code here"


def as_solution(source: str) -> str:
    """The source of a cell with its answers and without the markers."""
    return _read(source, lambda indent, stub, answer: answer)


def as_exercise(source: str) -> str:
    """The source of a cell with each answer replaced by its stub."""
    return _read(source, lambda indent, stub, answer: stub or [indent + BLANK])


def answer_of(source: str) -> str:
    """The answers of a cell alone, without what stands around them."""
    found: list[str] = []
    _read(source, lambda indent, stub, answer: found.extend(answer) or [])
    return textwrap.dedent("\n".join(found))


def answer_lines(source: str) -> list[str]:
    """The lines that only the solution may show, stripped: in an answer, and neither in its stub nor outside."""
    kept = {line.strip() for line in as_exercise(source).splitlines()}
    lines = (line.strip() for line in as_solution(source).splitlines())
    return [line for line in lines if line and line not in kept]


def _read(source: str, choose) -> str:
    lines, stub, answer, indent = [], [], [], None  # indent is None outside of an answer
    for number, line in enumerate(source.splitlines(), start=1):
        text = line.strip()
        if text in (BEGIN, END):
            if (text == BEGIN) != (indent is None):
                raise ValueError(f"line {number} of the cell is {text!r}, but an answer is "
                                 f"{'not open' if indent is None else 'open already'}; markers come in pairs")
            if text == BEGIN:
                stub, answer, indent = [], [], line[: len(line) - len(line.lstrip())]
            else:
                lines, indent = lines + choose(indent, stub, answer), None
        elif indent is None:
            lines.append(line)
        elif text.startswith(STUB):
            stub.append(line[: len(line) - len(line.lstrip())] + text.removeprefix(STUB).removeprefix(" "))
        else:
            answer.append(line)
    if indent is not None:
        raise ValueError(f"an answer is opened by {BEGIN!r} and never closed by {END!r}")
    return "\n".join(line.rstrip() for line in lines)
