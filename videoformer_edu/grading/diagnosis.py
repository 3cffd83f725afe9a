"""Which known mistake is it? A name is given only when it is sure: a wrong name is worse than none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from videoformer_edu.grading.collect import Call, Given, collect
from videoformer_edu.grading.compare import as_is, distance
from videoformer_edu.grading.returned import Returned
from videoformer_edu.grading.settings import own_random_numbers
from videoformer_edu.grading.spec import Case, Exercise, Mutant

NEARER = 10.0  # the answer has to be so many times nearer to a mistake than the mistake is to the truth


@lru_cache(maxsize=8192)
def mistaken(exercise: Exercise, mutant: Mutant, case: Case) -> Returned | None:
    """What the known mistake gives for a case."""
    with own_random_numbers(0):
        (given,) = collect(exercise.functions_of(mutant), [Call(case.function, case.inputs, twice=False)])
    return given.returned


def diagnose(exercise: Exercise, cases: Sequence[Case], given: Sequence[Given], expected: Sequence[object],
             first: int) -> Mutant | None:
    """The bank's wrong answer that gives the same on all cases of the function that failed first, at number `first`.

    Agreement on some cases is no proof: another mistake may look the same there. Silent where two fit.
    """
    cousins = [i for i, case in enumerate(cases) if case.function == cases[first].function]
    cousins = [i for i in cousins if not cases[i].free] or cousins  # where many answers are right, most differ
    found = [mutant for mutant in exercise.mutants if first in cousins
             and _same(exercise, mutant, cases[first], given[first], expected[first], shown=True)
             and all(_same(exercise, mutant, cases[i], given[i], expected[i]) for i in cousins)]
    return found[0] if len(found) == 1 else None


def _same(exercise: Exercise, mutant: Mutant, case: Case, given: Given, expected: object, shown: bool = False) -> bool:
    """Does the answer give what this mistake gives? `shown`: and is the mistake far from the truth here?"""
    if given.returned is None:
        return False
    tolerance = exercise.tolerance_of(case.function)
    wrong = mistaken(exercise, mutant, case)
    near = distance(as_is(wrong), given.returned, tolerance)
    if near > 1 or not shown:
        return near <= 1
    far = distance(expected, wrong, tolerance)
    return far > 1 and far >= NEARER * near
