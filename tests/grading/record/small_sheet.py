"""A sheet of two small exercises: attacks are made on the first, and the second has to keep its points."""

from __future__ import annotations

import numpy as np
import torch

from videoformer_edu.grading.spec import Case, Exercise, Mutant, SheetSpec, Style

WORDS = dict(difficulty=1, minutes=5, why="it is short", objectives=("see it through",), hints=("a", "b", "c"))


def soft(x, scale):
    """x (rows, n) -> the same shape: each row is a softmax of x times scale."""
    return torch.softmax(scale * x, dim=-1)


def soft_cases(rng):
    out = []
    for name, rows, n, scale in (("one row", 1, 5, 0.5), ("three rows", 3, 4, 1.5), ("wide", 2, 9, 0.7)):
        inputs = {"x": rng.standard_normal((rows, n)).astype(np.float32), "scale": scale}
        out.append(Case(name, "soft", inputs, "every row sums to one", axes="(rows, n)"))
    return out


def soft_oracle(case):
    x, scale = case.inputs["x"], case.inputs["scale"]
    e = np.exp(scale * x - (scale * x).max(-1, keepdims=True))
    made = e / e.sum(-1, keepdims=True)
    return made if x.dtype == np.float64 else made.astype(np.float32)


SOFT = Exercise(
    id="99.1", title="Softmax", points=10, answer=(soft,), cases=soft_cases, oracle=soft_oracle,
    mutants=(Mutant("no scale", (("scale * x", "x"),), "You left the scale out."),),
    styles=(Style("as it is"),), **WORDS)


def pairs(t, n):
    """How many pairs of t * n tokens there are."""
    return (t * n) ** 2


def pairs_cases(rng):
    return [Case(f"case {i}", "pairs", {"t": int(rng.integers(2, 9)), "n": int(rng.integers(10, 50))}, "all of them")
            for i in range(2)]


def pairs_oracle(case):
    return (case.inputs["t"] * case.inputs["n"]) ** 2


PAIRS = Exercise(
    id="99.2", title="Pairs", points=5, answer=(pairs,), cases=pairs_cases, oracle=pairs_oracle,
    mutants=(Mutant("half", ((") ** 2", ") ** 2 // 2"),), "Each pair counts twice."),), styles=(Style("as it is"),),
    **WORDS)

SHEET = SheetSpec("99", "Small", "99_small_sheet", (SOFT, PAIRS))
