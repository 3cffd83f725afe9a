"""04.4: what the block costs, and when dividing pays."""

from __future__ import annotations

import numpy as np

from videoformer_edu.grading.spec import Case, Exercise, Property
from videoformer_edu.sheets.s04_timesformer.cost_bank import MUTANTS, STYLES

BOTH = "two numbers, (joint, divided)"


def cases(rng: np.random.Generator) -> list[Case]:
    t, n, d = int(rng.choice([5, 7])), int(rng.choice([6, 8])), int(rng.choice([20, 24]))
    patches, width = ((36, 200), (36, 240), (16, 240), (100, 200))[int(rng.integers(4))]  # a quotient just above whole
    return [
        Case("pairs of a small clip", "pairs", {"t": 3, "n": 10},
             "who looks at whom, counted one by one", axes=BOTH),
        Case("pairs of another clip", "pairs", {"t": t, "n": n}, "any clip", axes=BOTH),
        Case("multiply-adds of a small clip", "macs", {"t": 3, "n": 10, "d": 12},
             "every matrix product of both kinds of block", axes=BOTH),
        Case("multiply-adds of another clip", "macs", {"t": t, "n": n, "d": d}, "any size", axes=BOTH),
        Case("TimeSformer's own size", "macs", {"t": 8, "n": 196, "d": 768},
             "at 8 frames of 224 pixels divided costs more than joint", axes=BOTH),
        Case("TimeSformer's crossing", "crossing", {"n": 196, "d": 768}, "where 224-pixel clips begin to profit",
             axes="one whole number"),
        Case("crossing, an exact tie", "crossing", {"n": 5, "d": 6},
             "equal is not yet cheaper", axes="one whole number"),
        Case("another crossing", "crossing", {"n": patches, "d": width}, "any size", axes="one whole number"),
    ]


def oracle_pairs(t: int, n: int) -> np.ndarray:
    """Ask every token about every token."""
    tokens = [(frame, place) for frame in range(t) for place in range(n)]
    joint = divided = 0
    for frame, place in tokens:
        for other_frame, other_place in tokens:
            joint += 1
            divided += other_place == place  # along time: the same tube, itself included
            divided += other_frame == frame  # across space: the same frame, itself included
    return np.array([joint, divided])


def oracle_macs(t: int, n: int, d: int) -> np.ndarray:
    """Add up the matrix products, rows x inner x columns each, group by group."""
    def product(rows: int, inner: int, columns: int) -> int:
        return rows * inner * columns

    def attention(group: int) -> int:
        made = product(group, d, 3 * d)  # queries, keys, values
        looked = product(group, d, group) + product(group, group, d)  # scores, then weights times values
        return made + looked + product(group, d, d)  # and the output projection

    joint = attention(t * n)
    along_time = sum(attention(t) + product(t, d, d) for _ in range(n))  # each tube, and the temporal projection
    across_space = sum(attention(n) for _ in range(t))
    return np.array([joint, along_time + across_space])


def oracle_crossing(n: int, d: int) -> np.ndarray:
    t = 1
    while True:
        joint, divided = oracle_macs(t, n, d)
        if divided < joint:
            return np.array(t)
        t += 1


def oracle(case: Case) -> np.ndarray:
    functions = {"pairs": oracle_pairs, "macs": oracle_macs, "crossing": oracle_crossing}
    return functions[case.function](**case.inputs)


def not_per_token(inputs, out: np.ndarray) -> str | None:
    t, n = inputs["t"], inputs["n"]
    if out[1] % (t * n) == 0:
        return None
    return (f"in divided attention all {t * n} tokens look at equally many others, so the pairs must be a "
            f"multiple of t·n = {t * n}; {int(out[1])} is not. How many tokens does one token look at, along "
            "time and across space?")


def not_first(inputs, out: np.ndarray) -> str | None:
    n, d, t = inputs["n"], inputs["d"], int(out)
    if t < 1 or t > 10**4:  # the oracle below adds up frame by frame
        return f"the crossing is a number of frames; {t} is none that a clip could have."
    now, before = oracle_macs(t, n, d), oracle_macs(max(1, t - 1), n, d)
    if now[1] >= now[0]:
        return (f"for n = {n}, d = {d} you say {t} frames, but there divided still costs {now[1]:,} "
                f"multiply-adds and joint {now[0]:,}: not yet cheaper.")
    if t > 1 and before[1] < before[0]:
        return (f"for n = {n}, d = {d} you say {t} frames, but already with {t - 1} divided costs {before[1]:,} "
                f"and joint {before[0]:,} multiply-adds: {t} is not the first.")
    return None


EXERCISE = Exercise(
    id="04.4",
    title="What it costs, and when dividing pays",
    difficulty=3,
    minutes=12,
    points=20,
    why="“divided is cheaper” is true of the pairs and false of the published 8-frame model; you will know from "
        "which clip length on it holds.",
    objectives=("count query-key pairs and multiply-adds of joint and divided attention",
                "compute the clip length from which dividing pays"),
    functions={"pairs": "t, n", "macs": "t, n, d", "crossing": "n, d"},
    cases=cases,
    oracle=oracle,
    differentiable=False,
    counts=True,
    properties=(
        Property("every token looks equally far", "pairs", not_per_token),
        Property("the first one", "crossing", not_first),
    ),
    hints=(
        "Pairs: ask one token how many it looks at, then multiply by the number of tokens, t·n. A token looks at "
        "itself, too.",
        "Multiply-adds of one attention over groups of k tokens, for each token: 3·d² to make q, k and v, d·k "
        "for the scores, k·d to weigh the values, d² for proj. Joint has one attention with k = t·n. Divided has "
        "two, with k = t and k = n, and one more linear map of d².",
        "Crossing: write joint minus divided, divide by t·n·d, and solve for t. You get t·(2n − 2) > 5d + 2n. "
        "Equal is not yet cheaper: the answer is the floor of the quotient, plus 1.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
