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
             first: int) -> tuple[Mutant, bool] | None:
    """The bank's wrong answer that gives the same, and whether it does so on all cases of that function.

    first: the number of the first case that failed. Silent where two known mistakes explain equally much.
    """
    cousins = [i for i, case in enumerate(cases) if case.function == cases[first].function]
    found: list[tuple[int, Mutant]] = []
    for mutant in exercise.mutants:
        if not _same(exercise, mutant, cases[first], given[first], expected[first]):
            continue
        alike = sum(_same(exercise, mutant, cases[i], given[i], expected[i], shown=False) for i in cousins)
        found.append((alike, mutant))
    if not found:
        return None
    most = max(alike for alike, _ in found)
    best = [mutant for alike, mutant in found if alike == most]
    everywhere = most == len(cousins)
    if len(best) > 1 or not (everywhere or telling(expected[first])):
        return None
    return best[0], everywhere


def telling(expected: object) -> bool:
    """Does agreement in one case prove anything? Two whole numbers may agree by accident, many real ones do not."""
    return getattr(expected, "dtype", None) is not None and expected.dtype.kind == "f" and expected.size >= 8


def _same(exercise: Exercise, mutant: Mutant, case: Case, given: Given, expected: object, shown: bool = True) -> bool:
    """Is the answer this mistake on this case? `shown`: the mistake has to be far from the truth here."""
    if given.returned is None:
        return False
    tolerance = exercise.tolerance_of(case.function)
    wrong = mistaken(exercise, mutant, case)
    near = distance(as_is(wrong), given.returned, tolerance)
    if near > 1:
        return False
    far = distance(expected, wrong, tolerance)
    return far > 1 and far >= NEARER * near if shown else True
