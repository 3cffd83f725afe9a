"""Which known mistake is it? A name is given only when it is sure: a wrong name is worse than none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from videoformer_edu.grading.collect import Call, Given, collect
from videoformer_edu.grading.compare import as_is, distance, telling
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
             first: int) -> tuple[Mutant, bool] | None:
    """The bank's wrong answer that gives the same, and whether it does so on all cases of that function.

    first: the number of the first case that failed. Where two mistakes come together, one of them may explain all
    cases but one; numbers that are few may agree by accident. Silent where two mistakes explain equally much.
    """
    cousins = [i for i, case in enumerate(cases) if case.function == cases[first].function and not case.free]
    found = {}
    for mutant in exercise.mutants:
        if _same(exercise, mutant, cases[first], given[first], expected[first]) != "shown":
            continue
        alike = [_same(exercise, mutant, cases[i], given[i], expected[i]) for i in cousins]
        if all(alike) or (telling(expected[first]) and alike.count("") <= 1 < alike.count("shown")):
            found[mutant] = len(list(filter(None, alike)))
    best = [mutant for mutant, count in found.items() if count == max(found.values())]
    return (best[0], found[best[0]] == len(cousins)) if len(best) == 1 else None


def _same(exercise: Exercise, mutant: Mutant, case: Case, given: Given, expected: object) -> str:
    """Is the answer this mistake on this case? "shown" if the mistake is far from the truth there, "hidden" if not."""
    if given.returned is None:
        return ""
    tolerance = exercise.tolerance_of(case.function)
    wrong = mistaken(exercise, mutant, case)
    near = distance(as_is(wrong), given.returned, tolerance)
    if near > 1:
        return ""
    far = distance(expected, wrong, tolerance)
    return "shown" if far > 1 and far >= NEARER * near else "hidden"
