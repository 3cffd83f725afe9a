"""Are the gradients of an answer those of the oracle? Not only there: of the right value.

The oracle is moved a little along a random direction of the arguments, forwards and back, in float64; the difference of
its results, weighed as `collect` weighed the answer's, must be what the answer's gradients say. One direction through
all arguments at once is enough to see that something is wrong; which argument it is, is asked only then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

import numpy as np

from videoformer_edu.grading.collect import cotangents
from videoformer_edu.grading.returned import float_parts
from videoformer_edu.grading.spec import Case, Exercise

STEP = 1e-5
ALLOWED = 3e-4  # of the size of the terms that are added up; float32 gradients come to 1e-5 of it


def chosen(exercise: Exercise, cases: Sequence[Case], expected: Sequence[object]) -> dict[str, list[int]]:
    """The numbers of the cases on which each function's gradients are compared, for those that have any."""
    out = {}
    for name in exercise.functions:
        own = [i for i, case in enumerate(cases) if case.function == name and not case.free and differentiable(
            exercise, case, expected[i])]
        picked = {case for prop in exercise.properties for case in prop.cases if prop.function == name}
        marked = [i for i in own if cases[i].gradient]
        best = marked or [i for i in own if cases[i].name not in picked][:1] or own[:1]
        if best:
            out[name] = best
    return out


def differentiable(exercise: Exercise, case: Case, expected: object) -> bool:
    asked = exercise.differentiable
    return bool((asked if isinstance(asked, bool) else case.function in asked)
                and any(float_parts(case.inputs)) and any(float_parts({"": expected})))


def weighing(seed: int) -> int:
    """The seed of the weights, which whoever calls the answer is told. Nothing else can be computed from it."""
    return int(np.random.default_rng([seed, 3]).integers(2**62))


def direction(case: Case, seed: int) -> dict[str, np.ndarray]:
    """A random direction for each float array of the arguments."""
    rng = np.random.default_rng([seed, 2])
    return {name: rng.standard_normal(array.shape) for name, array in float_parts(case.inputs)}


@lru_cache(maxsize=4096)
def slope(exercise: Exercise, case: Case, seed: int, names: frozenset[str]) -> float:
    """The derivative of the weighed oracle along the direction of the arguments in `names`."""
    there = direction(case, seed)

    def at(step: float) -> float:
        moved = Case(case.name, case.function, _moved(case.inputs, {
            name: step * there[name] for name in names}), case.sees)
        results = [array for _, array in float_parts({"": exercise.oracle(moved)})]
        weights = cotangents(weighing(seed), [array.shape for array in results])
        return sum(float((array.astype(np.float64) * weight).sum())
                   for array, weight in zip(results, weights, strict=True))

    return (at(STEP) - at(-STEP)) / (2 * STEP)


def _moved(values: object, by: Mapping[str, np.ndarray], name: str = "") -> object:
    """The arguments in float64, each float array moved by what stands under its name."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return values.astype(np.float64) + by.get(name, 0.0)
    if isinstance(values, Mapping):
        return {key: _moved(value, by, f"{name}[{key!r}]" if name else str(key)) for key, value in values.items()}
    if isinstance(values, tuple):
        return tuple(_moved(value, by, f"{name}[{i}]") for i, value in enumerate(values))
    return values


def copied(gradients: Sequence[Mapping[str, np.ndarray | None]]) -> set[str]:
    """The entries of dicts that never get a gradient, where that holds for all entries of their module.

    An `nn.Module` inside of an answer that loads `qkv.weight` and `qkv.bias` holds copies and passes nothing on to the
    dict: that is a right answer. A weight that gets none while its bias gets one was cut off.
    """
    reached = {name for found in gradients for name, part in found.items() if part is not None}
    modules = {name.rpartition(".")[0] for name in reached}
    return {name for found in gradients for name in found if "['" in name and name not in reached
            and name.rpartition(".")[0] not in modules}


def wrong_gradients(exercise: Exercise, case: Case, gradients: Mapping[str, np.ndarray | None],
                    seed: int, spared: Collection[str] = ()) -> tuple[list[str], list[str]] | None:
    """None where the gradients are right; else the arguments that get none, and those that get a wrong one."""
    there = direction(case, seed)
    asked = [name for name in there if name not in spared]
    if _agree(exercise, case, gradients, seed, frozenset(asked), there):
        return None
    wrong = [name for name in sorted(asked, key=lambda name: "['" in name)  # whole arguments first
             if not _agree(exercise, case, gradients, seed, frozenset([name]), there)]
    none = [name for name in wrong if gradients.get(name) is None or not np.any(gradients[name])]
    return none, [name for name in wrong if name not in none] or ([] if none else sorted(asked))


def _agree(exercise: Exercise, case: Case, gradients: Mapping, seed: int, names: frozenset[str],
           there: Mapping[str, np.ndarray]) -> bool:
    terms = [gradients[name].astype(np.float64) * there[name] for name in sorted(names)
             if gradients.get(name) is not None]
    said, size = sum(float(term.sum()) for term in terms), sum(float((term**2).sum()) for term in terms) ** 0.5
    right = slope(exercise, case, seed, names)
    return bool(np.isfinite(size) and abs(said - right) <= ALLOWED * (abs(right) + size) + 1e-7)
