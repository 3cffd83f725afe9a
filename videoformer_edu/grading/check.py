"""Judge an answer: up the ladder case by case, one plain sentence at the first rung that fails, and its name if known.

`judge` and `diagnose` compare plain arrays only, so they do not care in which process the answer ran. What `check`
says in a notebook is feedback: an answer that runs in the same process can change it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from videoformer_edu.grading.edge import Given, call, gradient_reaches
from videoformer_edu.grading.report import CRASHED, NOT_ATTEMPTED, RIGHT, WRONG, CheckResult, Report
from videoformer_edu.grading.settings import own_random_numbers
from videoformer_edu.grading.spec import Case, Exercise, Functions, Mutant
from videoformer_edu.grading.words import (
    changed_words,
    crash_words,
    dtype_words,
    finite_words,
    misuse_words,
    shape_words,
    type_words,
    value_words,
)


def check(exercise: Exercise, answer: Functions, *, seed: int = 0) -> Report:
    """Call the functions of `answer` on the exercise's cases and report. A missing or `None` function is untried.

    The same seed gives the same cases and so the same report.
    """
    odd = misuse_words(exercise, answer)
    if odd:
        return _report(exercise, (), CRASHED, odd)
    cases, expected = prepare(exercise, seed)
    with own_random_numbers(seed):
        given = [_ask(answer.get(case.function), case, right) for case, right in zip(cases, expected, strict=True)]
        results = [judge(exercise, *three) for three in zip(cases, given, expected, strict=True)]
        results = [_is_random(answer, *pair) for pair in zip(cases, given, results, strict=True)]
        if all(result.passed for result in results):
            results += _gradients(exercise, answer, cases)
        return conclude(exercise, cases, given, expected, results)


def _ask(function: object, case: Case, expected: np.ndarray) -> Given:
    if function is None or function is ...:
        return Given(kind="nothing", stub=True)
    return call(function, case.inputs, expected.shape)


@lru_cache(maxsize=64)
def prepare(exercise: Exercise, seed: int) -> tuple[tuple[Case, ...], tuple[np.ndarray, ...]]:
    """The cases of a seed and what the oracle says to each."""
    cases = tuple(exercise.cases(np.random.default_rng(seed)))
    return cases, tuple(np.asarray(exercise.oracle(case)) for case in cases)


def is_count(expected: np.ndarray) -> bool:
    return expected.dtype.kind in "iu"


def judge(exercise: Exercise, case: Case, given: Given, expected: np.ndarray) -> CheckResult:
    """One case: the first rung that fails, or right."""
    def result(outcome: str, rung: str, sentence: str) -> CheckResult:
        return CheckResult(case.name, case.function, outcome, rung, sentence, case.share)

    if given.stub:
        return result(NOT_ATTEMPTED, "returned", f"{case.function} still holds the stub.")
    if given.crash is not None:
        return result(CRASHED, given.crash.kind, str(given.crash).splitlines()[-1])
    for rung, sentence in _ladder(exercise, case, given, expected):
        if sentence:
            return result(WRONG, rung, sentence)
    return result(RIGHT, "value", f"{case.sees}.")


def _ladder(exercise: Exercise, case: Case, given: Given, expected: np.ndarray) -> Iterator[tuple[str, str | None]]:
    """Each rung with None, or with the sentence that says why it fails; a rung may rely on those before it."""
    nothing = f"{case.function} returned None: its result never leaves the function. Is a `return` missing?"
    yield "returned", nothing if given.kind == "nothing" else None
    yield "type", type_words(is_count(expected), case, given)
    yield "shape", shape_words(case, given, expected)
    yield "dtype", dtype_words(is_count(expected), given)
    yield "finite", finite_words(is_count(expected), given)
    yield "input unchanged", changed_words(given)
    for prop in exercise.properties:
        if prop.applies(case):
            yield prop.name, prop.broken(case.inputs, given.value)
    yield "value", (None if agrees(exercise, given.value, expected)
                    else value_words(exercise, is_count(expected), case, given.value, expected))


def agrees(exercise: Exercise, value: np.ndarray | None, expected: np.ndarray) -> bool:
    """Within the exercise's tolerance (counts: equal)."""
    if value is None or value.shape != expected.shape or value.dtype.kind not in "iuf":
        return False
    if is_count(expected):
        return bool((value == expected).all())
    value, expected = value.astype(np.float64), expected.astype(np.float64)
    return bool((np.abs(value - expected)
                 <= exercise.tolerance.absolute + exercise.tolerance.relative * np.abs(expected)).all())


def diagnose(exercise: Exercise, cases: Sequence[Case], given: Sequence[Given], expected: Sequence[np.ndarray],
             results: Sequence[CheckResult]) -> tuple[Mutant, bool] | None:
    """The bank's wrong answer that gives the same arrays, and whether it does so on all cases of that function."""
    first = next(i for i, result in enumerate(results) if not result.passed and result.outcome != NOT_ATTEMPTED)
    if given[first].value is None:
        return None
    cousins = [i for i, case in enumerate(cases) if case.function == cases[first].function]
    best: tuple[int, Mutant] | None = None
    for mutant in exercise.mutants:
        wrong = exercise.functions_of(mutant)
        outputs = {i: call(wrong[cases[i].function], cases[i].inputs).value for i in cousins}
        if agrees(exercise, outputs[first], expected[first]):
            continue  # on this very case the mistake does not show
        alike = {i for i in cousins if outputs[i] is not None and agrees(exercise, given[i].value, outputs[i])}
        if first in alike and (best is None or len(alike) > best[0]):
            best = len(alike), mutant
    return None if best is None else (best[1], best[0] == len(cousins))


def conclude(exercise: Exercise, cases: Sequence[Case], given: Sequence[Given], expected: Sequence[np.ndarray],
             results: Sequence[CheckResult]) -> Report:
    """From the judged cases to outcome, message and points."""
    failed = next((i for i, r in enumerate(results) if r.outcome in (CRASHED, WRONG)), None)
    if failed is None:
        waiting = list(dict.fromkeys(r.function for r in results if r.outcome == NOT_ATTEMPTED))
        if not waiting:
            return _report(exercise, results, RIGHT, "All checks passed.")
        done = [name for name in exercise.functions if name not in waiting]
        words = f"{' and '.join(done)}: right. " if done else ""
        return _report(exercise, results, NOT_ATTEMPTED,
                       f"{words}Waiting for you: {' and '.join(exercise.signature(name) for name in waiting)}.")
    result = results[failed]
    if result.outcome == CRASHED:
        return _report(exercise, results, CRASHED, crash_words(cases[failed], given[failed].crash))
    where = "" if result.rung == "gradient" else f"In the check “{result.case}” of {result.function}: "
    known = diagnose(exercise, cases, given, expected, results) if failed < len(cases) else None
    if known is None:
        return _report(exercise, results, WRONG, where + result.sentence)
    mutant, everywhere = known
    words = "" if everywhere else "In that check your answer is the one you get from this mistake: "
    return _report(exercise, results, WRONG, f"{words}{mutant.sentence}\n{where}{result.sentence}", mutant.name)


def _report(exercise: Exercise, results: Sequence[CheckResult], outcome: str, message: str,
            mistake: str | None = None) -> Report:
    total = sum(r.share for r in results)
    passed = sum(r.share for r in results if r.passed)
    points = exercise.points if outcome == RIGHT else round(exercise.points * passed / total, 1) if total else 0
    return Report(exercise.id, exercise.title, outcome, tuple(results), message, points, exercise.points, mistake)


def _is_random(answer: Functions, case: Case, given: Given, result: CheckResult) -> CheckResult:
    """The result of a wrong answer, with the cause said where two calls with the same inputs differ."""
    if result.outcome != WRONG or given.value is None or result.rung == "shape":
        return result
    again = call(answer[case.function], case.inputs, given.value.shape).value
    if again is None or again.shape != given.value.shape or np.array_equal(again, given.value, equal_nan=True):
        return result
    return replace(result, rung="the same twice", sentence=(
        f"two calls of {case.function} with the same inputs gave different results, so something in it is random: a "
        "dropout, or a module that is made afresh and never given the weights of the dict."))


def _gradients(exercise: Exercise, answer: Functions, cases: Sequence[Case]) -> list[CheckResult]:
    """The last rung, once for each function: a model made of it can be trained."""
    out = []
    for name in exercise.functions:
        case = next(case for case in cases if case.function == name)
        if not exercise.differentiates(name) or not isinstance(next(iter(case.inputs.values())), np.ndarray):
            continue
        problem = gradient_reaches(answer[name], case.inputs)
        first = next(iter(case.inputs))
        words = (f"a gradient flows from the result of {name} back to `{first}`." if problem is None else
                 f"the values of {name} are right, but no gradient reaches `{first}`, so nothing before it could "
                 f"be trained: {problem}. Stay in torch from the first line to the last: no .detach(), .data, "
                 f".numpy(), .item() or torch.tensor(...) on the way.")
        out.append(CheckResult(f"gradient of {name}", name, WRONG if problem else RIGHT, "gradient", words))
    return out
