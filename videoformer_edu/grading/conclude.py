"""The second half of a check: from plain data to an outcome, one plain sentence, and the name of the mistake if known.

Nothing here calls the answer; `given` may come from this process or from another one. The ladder for each case: the
first rung that fails is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from videoformer_edu.grading import words
from videoformer_edu.grading.collect import Call, Given
from videoformer_edu.grading.compare import Misfit, as_is, how_far, pairs, plain, telling
from videoformer_edu.grading.diagnosis import diagnose
from videoformer_edu.grading.gradients import chosen, copied, slope, weighing, wrong_gradients
from videoformer_edu.grading.report import CRASHED, NOT_ATTEMPTED, RIGHT, WRONG, CheckResult, Report
from videoformer_edu.grading.returned import alike
from videoformer_edu.grading.spec import Case, Exercise, Property


@lru_cache(maxsize=64)
def prepare(exercise: Exercise, seed: int) -> tuple[tuple[Case, ...], tuple[object, ...]]:
    """The cases of a seed and what the oracle says to each."""
    cases = tuple(exercise.cases(np.random.default_rng(seed)))
    return cases, tuple(exercise.oracle(case) for case in cases)


def calls(exercise: Exercise, seed: int) -> list[Call]:
    """The calls that `collect` has to make: one for each case, in order."""
    cases, expected = prepare(exercise, seed)
    differentiated = {i for numbers in chosen(exercise, cases, expected).values() for i in numbers}
    return [Call(case.function, case.inputs, seed=weighing(seed) if i in differentiated else None)
            for i, case in enumerate(cases)]


def conclude(exercise: Exercise, seed: int, given: Sequence[Given]) -> Report:
    """What the answer to `calls(exercise, seed)` is worth, and what to tell about it."""
    cases, expected = prepare(exercise, seed)
    results = [judge(exercise, *three) for three in zip(cases, given, expected, strict=True)]
    results = [_kept(i, cases, given, results) for i in range(len(cases))]
    results += _gradients(exercise, seed, cases, given, expected, results)
    failed = next((i for i, r in enumerate(results) if r.outcome in (CRASHED, WRONG)), None)
    if failed is None:
        waiting = [r for r in results if r.outcome == NOT_ATTEMPTED]
        if not waiting:
            return _report(exercise, results, RIGHT, "All checks passed.")
        return _report(exercise, results, NOT_ATTEMPTED, words.state_words(exercise, results))
    result = results[failed]
    if result.outcome == CRASHED and given[failed].late is None:
        message, mistake = words.crash_words(cases[failed], given[failed].crash), None
    else:
        message, mistake = f"{words.place_words(result, cases)}{result.sentence}", None
        known = diagnose(exercise, cases, given, expected, failed) if failed < len(cases) else None
        if known is not None:
            mistake, message = known.name, f"{known.sentence}\n{message}"
    rest = words.state_words(exercise, results, apart_from=result.function)
    return _report(exercise, results, result.outcome, f"{message}\n{rest}" if rest else message, mistake)


def refused(exercise: Exercise, message: str) -> Report:
    """A report on something that is no answer at all."""
    return _report(exercise, (), CRASHED, message)


def judge(exercise: Exercise, case: Case, given: Given, expected: object) -> CheckResult:
    """One case: the first rung that fails, or right."""
    def result(outcome: str, rung: str, sentence: str) -> CheckResult:
        return CheckResult(case.name, case.function, outcome, rung, sentence, case.share)

    if given.stub:
        return result(NOT_ATTEMPTED, "returned", f"{case.function} still holds the stub.")
    if given.late is not None:
        return result(CRASHED, "time", f"{case.function} had not come to an end after {given.late:g} seconds and was "
                                       "stopped: is there a loop that never ends?")
    unfinished = given.crash is not None or given.returned.kind == "nothing"
    if unfinished and given.waits:
        still = "still holds its stub" if len(given.waits) == 1 else "still hold their stubs"
        return result(NOT_ATTEMPTED, "returned", f"{case.function} calls {' and '.join(given.waits)}, which {still}.")
    if given.crash is not None:
        return result(CRASHED, given.crash.kind, given.crash.said)
    for rung, sentence in _ladder(exercise, case, given, expected):
        if sentence and given.random and rung not in ("returned", "type", "shape"):
            break
        if sentence:
            return result(WRONG, rung, sentence)
    if given.random:
        return result(WRONG, "the same twice", words.random_words(case))
    return result(RIGHT, "value", f"{case.sees}.")


def _kept(number: int, cases: Sequence[Case], given: Sequence[Given], results: Sequence[CheckResult]) -> CheckResult:
    """The result of a case whose values are wrong; if they are those of an earlier call, it says so."""
    result = results[number]
    if result.outcome != WRONG or not telling(as_is(given[number].returned)):
        return result
    for i in range(number):
        before = given[i].returned if cases[i].function == result.function else None
        if before is not None and alike(before, given[number].returned):
            return replace(result, rung="every call anew", sentence=words.kept_words(cases[i]))
    return result


def _ladder(exercise: Exercise, case: Case, given: Given, expected: object) -> Iterator[tuple[str, str | None]]:
    """Each rung with None, or with the sentence that says why it fails; a rung may rely on those before it."""
    nothing = f"{case.function} returned None: its result never leaves the function. Is a `return` missing?"
    yield "returned", nothing if given.returned.kind == "nothing" and expected is not None else None
    found = pairs(expected, given.returned)
    yield "type", words.type_words(case, expected, found) if isinstance(found, Misfit) else None
    for rung, said in (("shape", words.shape_words), ("dtype", words.dtype_words), ("finite", words.finite_words)):
        yield rung, next(filter(None, (said(case, pair) for pair in found)), None)
    yield "input unchanged", words.changed_words(given)
    value = plain(expected, given.returned)
    for prop in exercise.properties:
        if prop.applies(case):
            yield prop.name, _broken(prop, case, value)
    tolerance = exercise.tolerance_of(case.function)
    if not case.free and any(how_far(pair, tolerance) > 1 for pair in found):
        yield "value", words.value_words(case, found, tolerance)


def _broken(prop: Property, case: Case, value: object) -> str | None:
    try:
        return prop.broken(case.inputs, value)
    except (ArithmeticError, ValueError, LookupError) as error:  # numbers of which nothing can be computed
        return f"the result {value!r:.80} makes no sense here ({type(error).__name__}: {error})."


def _gradients(exercise: Exercise, seed: int, cases: Sequence[Case], given: Sequence[Given],
               expected: Sequence[object], results: Sequence[CheckResult]) -> list[CheckResult]:
    """The last rung, once for each function whose values are all right: a model made of it can be trained."""
    out = []
    for name, numbers in chosen(exercise, cases, expected).items():
        if not all(result.passed for result in results if result.function == name):
            continue
        spared = copied([given[i].gradients for i in numbers if given[i].gradients is not None])
        said = (words.gradient_words(cases[i], expected[i], given[i], given[i].gradients and wrong_gradients(
            exercise, cases[i], given[i].gradients, seed, spared)) for i in numbers)
        problem = next(filter(None, said), None)
        copies = any(abs(slope(exercise, cases[i], seed, frozenset(spared))) > 1e-6 for i in numbers if spared)
        right = f"the gradients of {name} are right{', but for weights that were loaded as copies' if copies else ''}"
        out.append(CheckResult(f"gradient of {name}", name, WRONG if problem else RIGHT, "gradient",
                               problem or f"{right}."))
    return out


def _report(exercise: Exercise, results: Sequence[CheckResult], outcome: str, message: str,
            mistake: str | None = None) -> Report:
    total = sum(r.share for r in results)
    passed = sum(r.share for r in results if r.passed)
    points = exercise.points if outcome == RIGHT else round(exercise.points * passed / total, 1) if total else 0
    return Report(exercise.id, exercise.title, outcome, tuple(results), message, points, exercise.points, mistake)
