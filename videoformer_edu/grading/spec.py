"""What an exercise is: facts, cases, an oracle, a ladder of checks, hints, and a bank of answers that tests the checks.

Everything that a case holds and an answer gives back is a plain array, a number or a dict of arrays (a state dict), so
an answer may as well run in another process. The learner writes torch: `edge.py` converts on the way in and out. In a
sheet the cells of an answer are tagged `answer:NAME`; together they need `torch`, `F` and `rearrange`, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Value = np.ndarray | int | str | Mapping[str, np.ndarray]
Functions = Mapping[str, Callable]  # the functions of an answer by name, e.g. {"to_tubes": ..., "from_tubes": ...}


@dataclass(frozen=True, eq=False)
class Case:
    """One call of one function of the answer.

    `inputs` are its arguments, in the order of the call. `sees` says what a right answer shows here. `axes` names
    the axes of the right answer; each of `parts` divides it into named regions (by frame, by clip), so that a
    message can say where an answer is right and where not.
    """

    name: str
    function: str
    inputs: Mapping[str, Value]
    sees: str
    share: int = 1
    axes: str = ""
    parts: tuple[Mapping[str, tuple], ...] = ()


@dataclass(frozen=True, eq=False)
class Property:
    """An algebraic fact that holds for every right answer, whatever the numbers.

    `broken(inputs, output)` gives None, or a sentence about this very output. It is asked for cases of `function`, or
    only for those named in `cases`.
    """

    name: str
    function: str
    broken: Callable[[Mapping[str, Value], np.ndarray], str | None]
    cases: tuple[str, ...] = ()

    def applies(self, case: Case) -> bool:
        return case.function == self.function and (not self.cases or case.name in self.cases)


@dataclass(frozen=True, eq=False)
class Mutant:
    """A named wrong answer: the right functions with one mistake, and the sentence that tells a learner about it."""

    name: str
    functions: Functions
    sentence: str


@dataclass(frozen=True, eq=False)
class Style:
    """A right answer written another way. It must be accepted."""

    name: str
    functions: Functions


@dataclass(frozen=True)
class Tolerance:
    """|answer - oracle| <= absolute + relative * |oracle|, in float64. Counts are compared exactly."""

    absolute: float = 2e-5
    relative: float = 2e-5


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise of a sheet.

    `functions` maps each function that the learner writes to its arguments, as the stub shows them. `oracle(case)` is
    written in plain loops and shares no code with the package's modules. The ladder for each case: something came
    back, its type, shape, dtype, finite, inputs unchanged, the properties, the values; at the end, where
    `differentiable`, a gradient that reaches the first argument.
    """

    id: str
    title: str
    difficulty: int
    minutes: int
    points: int
    why: str
    objectives: tuple[str, ...]
    functions: Mapping[str, str]
    cases: Callable[[np.random.Generator], list[Case]]
    oracle: Callable[[Case], np.ndarray]
    hints: tuple[str, str, str]
    mutants: tuple[Mutant, ...]
    styles: tuple[Style, ...]
    properties: tuple[Property, ...] = ()
    needs: tuple[str, ...] = ()
    differentiable: bool = True
    counts: bool = False
    tolerance: Tolerance = Tolerance()

    def __post_init__(self):
        if not 1 <= self.difficulty <= 5:
            raise ValueError(f"{self.id}: difficulty runs from 1 to 5, got {self.difficulty}")
        if len(self.hints) != 3:
            raise ValueError(f"{self.id}: three hints, one after the other; got {len(self.hints)}")
        for answer in (*self.mutants, *self.styles):
            if set(answer.functions) != set(self.functions):
                raise ValueError(f"{self.id}: {answer.name!r} gives {sorted(answer.functions)}, "
                                 f"the exercise asks for {sorted(self.functions)}")

    def signature(self, name: str) -> str:
        """`to_tubes(x, t)`, as the stub shows it."""
        return f"{name}({self.functions[name]})"

    def statement(self) -> str:
        """The facts of the exercise as Markdown: the block that stands at its head in the sheet."""
        filled = "●" * self.difficulty + "○" * (5 - self.difficulty)
        lines = [f"### {self.id} {self.title}", "",
                 f"> - **Difficulty** {filled} ({self.difficulty} of 5) · **time** {self.minutes} minutes · "
                 f"**points** {self.points}",
                 f"> - **Why it matters** {self.why}",
                 f"> - **After it you can** {'; '.join(self.objectives)}."]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class SheetSpec:
    """The exercises of one lesson. `slug` is the file name that the sheet and its solution share."""

    number: str
    title: str
    slug: str
    exercises: tuple[Exercise, ...]

    def exercise(self, number: int | str) -> Exercise:
        wanted = f"{self.number}.{number}" if "." not in str(number) else str(number)
        for exercise in self.exercises:
            if exercise.id == wanted:
                return exercise
        raise KeyError(f"sheet {self.number} has no exercise {number!r}; it has "
                       f"{', '.join(e.id for e in self.exercises)}")
