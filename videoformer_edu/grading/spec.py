"""What an exercise is: a worked answer, cases, an oracle, a ladder of checks, hints, and a bank that tests the checks.

Everything that a case holds and an answer gives back is plain data (arrays, numbers, tuples and dicts of these), so an
answer may as well run in another process. The learner writes torch: `collect.py` converts on the way in and out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from videoformer_edu.grading import answer_source

Value = np.ndarray | float | int | bool | str | tuple | Mapping[str, object] | None
Functions = Mapping[str, Callable]  # the functions of an answer by name, e.g. {"to_tubes": ..., "from_tubes": ...}
Edits = tuple[tuple[str, str], ...]  # (old, new), each `old` exactly once in the text when its turn comes


@dataclass(frozen=True, eq=False)
class Case:
    """One call of one function of the answer.

    `inputs` are its arguments, in the order of the call. `sees` says what a right answer shows here. `axes` names
    the axes of the right answer, or its parts; each of `parts` divides an array into named regions (by frame, by
    clip), so that a message can say where an answer is right and where not. `free`: many answers are right, the
    properties alone decide; the oracle gives one of them, for its form. `gradient`: the case on which the gradients of
    this function are compared (without it, the first case that no property picks by name).
    """

    name: str
    function: str
    inputs: Mapping[str, Value]
    sees: str
    share: int = 1
    axes: str = ""
    parts: tuple[Mapping[str, tuple], ...] = ()
    free: bool = False
    gradient: bool = False


@dataclass(frozen=True, eq=False)
class Property:
    """An algebraic fact that holds for every right answer, whatever the numbers; it is asked before the values.

    `broken(inputs, output)` gives None, or a sentence that says what was observed in this very output. It is asked for
    cases of `function`, or only for those named in `cases`.
    """

    name: str
    function: str
    broken: Callable[[Mapping[str, Value], object], str | None]
    cases: tuple[str, ...] = ()

    def applies(self, case: Case) -> bool:
        return case.function == self.function and (not self.cases or case.name in self.cases)


@dataclass(frozen=True, eq=False)
class Mutant:
    """A named wrong answer: the worked one with a few edits, and the sentence that tells a learner about it."""

    name: str
    edits: Edits
    sentence: str


@dataclass(frozen=True, eq=False)
class Style:
    """A right answer written another way. It must be accepted. Functions that it does not give are the worked ones."""

    name: str
    functions: Functions = field(default_factory=dict)
    edits: Edits = ()


@dataclass(frozen=True)
class Tolerance:
    """|answer - oracle| <= absolute + relative * |oracle|, in float64. Whole numbers and bools are compared exactly."""

    absolute: float = 2e-5
    relative: float = 2e-5


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise of a sheet.

    `answer` holds the functions that the learner writes, as they are right: signature and docstring are the stub, the
    body is the solution. `given` are helpers that the sheet hands out, `needs` the exercises whose functions the answer
    calls. `oracle(case)` is written in plain loops and shares no code with the package's modules or the answer; what
    it returns says what is asked for: an array is a tensor of that kind (float32, whole numbers, bools), a number a
    number, a tuple or dict of these the same. The ladder for each case: something came back, its type, shape, dtype,
    finite, inputs unchanged, the properties, the values; then the gradients of float results with respect to float
    inputs, by value, for the functions that are `differentiable` (True: all; or their names).
    """

    id: str
    title: str
    difficulty: int
    minutes: int
    points: int
    why: str
    objectives: tuple[str, ...]
    answer: tuple[Callable, ...]
    cases: Callable[[np.random.Generator], list[Case]]
    oracle: Callable[[Case], object]
    hints: tuple[str, str, str]
    mutants: tuple[Mutant, ...]
    styles: tuple[Style, ...]
    given: tuple[Callable, ...] = ()
    needs: tuple[Exercise, ...] = ()
    properties: tuple[Property, ...] = ()
    differentiable: bool | tuple[str, ...] = True
    tolerance: Tolerance | Mapping[str, Tolerance] = Tolerance()

    def __post_init__(self):
        if not 1 <= self.difficulty <= 5:
            raise ValueError(f"{self.id}: difficulty runs from 1 to 5, got {self.difficulty}")
        if len(self.hints) != 3:
            raise ValueError(f"{self.id}: three hints, one after the other; got {len(self.hints)}")
        named = [(style.name, name) for style in self.styles for name in style.functions]
        named += [(prop.name, prop.function) for prop in self.properties]
        if not isinstance(self.differentiable, bool):
            named += [("differentiable", name) for name in self.differentiable]
        for what, name in named:
            if name not in self.functions:
                raise ValueError(f"{self.id}: {what!r} speaks of {name}, the exercise asks for "
                                 f"{', '.join(self.functions)}")

    @cached_property
    def functions(self) -> dict[str, str]:
        """Each function that the learner writes with its arguments: `{"to_tubes": "x, t"}`."""
        return {made.__name__: ", ".join(str(p.replace(annotation=p.empty))
                                         for p in inspect.signature(made).parameters.values()) for made in self.answer}

    @property
    def right(self) -> dict[str, Callable]:
        """The worked answer by name."""
        return {made.__name__: made for made in self.answer}

    @cached_property
    def whole(self) -> tuple[Callable, ...]:
        """Everything that the answer is made of: what `needs` bring, the given helpers, the answer."""
        made = [part for need in self.needs for part in need.whole] + [*self.given, *self.answer]
        return tuple(dict.fromkeys(made))

    @cached_property
    def helpers(self) -> tuple[str, ...]:
        """The names of what the answer stands on and the learner did not write."""
        return tuple(made.__name__ for made in self.given) + tuple(n for need in self.needs for n in need.helpers)

    def functions_of(self, entry: Mutant | Style) -> dict[str, Callable]:
        """The functions of an entry of the bank. Raises ValueError when an edit does not fit the worked answer."""
        if not entry.edits:
            return self.right | dict(entry.functions)
        try:
            made = answer_source.edited(self.whole, entry.edits)
        except ValueError as error:
            raise ValueError(f"{self.id}, {entry.name!r}: {error}") from error
        return {name: made[name] for name in self.functions}

    def signature(self, name: str) -> str:
        """`to_tubes(x, t)`, as the stub shows it."""
        return f"{name}({self.functions[name]})"

    def tolerance_of(self, function: str) -> Tolerance:
        if isinstance(self.tolerance, Tolerance):
            return self.tolerance
        return self.tolerance.get(function, Tolerance())

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
