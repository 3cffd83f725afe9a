"""The bank that tests a grader: which case sees which wrong answer."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from videoformer_edu.grading.check import check
from videoformer_edu.grading.collect import collect
from videoformer_edu.grading.conclude import calls, judge, prepare
from videoformer_edu.grading.report import RIGHT, WRONG
from videoformer_edu.grading.spec import Exercise, Style


def kill_matrix(exercise: Exercise, seed: int = 0) -> np.ndarray:
    """`(mutants, cases)` bool: does that case reject that wrong answer?"""
    cases, expected = prepare(exercise, seed)
    rows = (collect(exercise.functions_of(mutant), calls(exercise, seed)) for mutant in exercise.mutants)
    return np.array([[not judge(exercise, *three).passed for three in zip(cases, given, expected, strict=True)]
                     for given in rows])


def wrong_verdicts(exercise: Exercise, seeds: Iterable[int]) -> list[str]:
    """What the grader gets wrong of its own bank: mistakes accepted or named otherwise, right answers refused."""
    out = []
    for seed in seeds:
        for mutant in exercise.mutants:
            report = check(exercise, exercise.functions_of(mutant), seed=seed)
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
