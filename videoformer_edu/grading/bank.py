"""The bank that tests a grader: which case sees which wrong answer."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from videoformer_edu.grading.check import check
from videoformer_edu.grading.conclude import prepare
from videoformer_edu.grading.report import RIGHT, WRONG, Report
from videoformer_edu.grading.spec import Exercise, Style


@lru_cache(maxsize=64)
def verdicts(exercise: Exercise, seed: int = 0) -> tuple[Report, ...]:
    """What `check` says to each known wrong answer."""
    return tuple(check(exercise, exercise.functions_of(mutant), seed=seed) for mutant in exercise.mutants)


def kill_matrix(exercise: Exercise, seed: int = 0) -> np.ndarray:
    """`(mutants, cases)` bool: does that case reject that wrong answer?"""
    cases, _ = prepare(exercise, seed)
    return np.array([[not result.passed for result in report.checks[:len(cases)]]  # behind them: gradients
                     for report in verdicts(exercise, seed)])


def wrong_verdicts(exercise: Exercise, seeds: Iterable[int]) -> list[str]:
    """What the grader gets wrong of its own bank: mistakes accepted or named otherwise, right answers refused."""
    out = []
    for seed in seeds:
        for mutant, report in zip(exercise.mutants, verdicts(exercise, seed), strict=True):
            if (report.outcome, report.mistake) != (WRONG, mutant.name):
                said = f"{report.outcome}, {report.mistake!r}"
                out.append(f"{exercise.id}, seed {seed}: {mutant.name!r} is called {said}")
        for style in (Style("as worked"), *exercise.styles):
            report = check(exercise, exercise.functions_of(style), seed=seed)
            if report.outcome != RIGHT:
                out.append(f"{exercise.id}, seed {seed}: {style.name!r} is called {report.outcome}")
    return out


def kill_table(exercise: Exercise, seed: int = 0) -> str:
    """The kill matrix as text: a row a mutant, a column a case, `x` where the case rejects the mutant."""
    matrix, (cases, _) = kill_matrix(exercise, seed), prepare(exercise, seed)
    width = max(len(mutant.name) for mutant in exercise.mutants)
    lines = [f"{exercise.id} {exercise.title}, seed {seed}: {int(matrix.any(1).sum())} of {len(matrix)} rejected"]
    lines += [f"  {'abcdefghijklmnopqrstuvwxyz'[i]} = {case.name} "
              f"({case.function})" for i, case in enumerate(cases)]
    lines += [f"  {'':<{width}}  {' '.join('abcdefghijklmnopqrstuvwxyz'[:len(cases)])}"]
    lines += [f"  {mutant.name:<{width}}  {' '.join('x' if hit else '.' for hit in row)}"
              for mutant, row in zip(exercise.mutants, matrix, strict=True)]
    return "\n".join(lines)
