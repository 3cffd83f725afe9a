"""04.4: what the block costs, and when dividing pays."""

from __future__ import annotations

import itertools

import numpy as np

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make


def pairs(t, n):
    """Query-key pairs of one block -> (joint, divided)."""
    return (t * n) ** 2, t * n * (t + n)


def macs(t, n, d):
    """Multiply-adds of the attention part of one block -> (joint, divided)."""
    joint, divided = pairs(t, n)
    return 4 * t * n * d**2 + 2 * joint * d, 9 * t * n * d**2 + 2 * divided * d


def crossing(n, d):
    """The first number of frames at which divided is cheaper, in multiply-adds (n of at least 2)."""
    return (5 * d + 2 * n) // (2 * n - 2) + 1


BOTH = "two numbers, (joint, divided)"


def cases(rng: np.random.Generator) -> list[Case]:
    """Whole numbers agree by accident where real ones do not, so there are many cases: small, odd, large, drawn."""
    def draw(*choices: tuple[int, ...]) -> tuple[int, ...]:
        return make.sizes(rng, *choices)

    pairs = {"a small clip": (3, 10), "more frames than patches": draw((7, 9, 12), (2, 3, 5)), "one frame": (1, 6),
             "one patch a frame": (5, 1), "another clip": draw((2, 4, 6), (9, 11, 15)), "TimeSformer-L": (96, 196),
             "a long video": (301, 255),
             "more than a float can hold": (3001, 99991)}
    macs = {"a small clip": (3, 10, 12), "one frame": (1, 6, 5), "one patch a frame": (5, 1, 7),
            "another clip": draw((5, 7), (6, 9), (20, 23)), "more frames than patches": draw((11, 16), (3, 4), (1, 8)),
            "TimeSformer's own size": (8, 196, 768), "TimeSformer-L": (96, 196, 1024),
            "a long video, a wide model": (301, 49, 2049)}
    above = ((36, 200), (36, 240), (16, 240), (100, 200))[int(rng.integers(4))]  # a quotient just above a whole number
    tie = ((5, 6), (2, 2), (3, 2), (5, 14), (3, 6))[int(rng.integers(5))]
    crossing = {"TimeSformer's crossing": (196, 768), "an exact tie": tie, "a small frame": (3, 3),
                "just above a whole number": above, "two patches": (2, 1001), "a narrow model": (1024, 4),
                "another crossing": draw((7, 11, 13), (17, 29, 64)), "an odd width": draw((4, 6, 9), (15, 33, 101))}
    told = {"TimeSformer's own size": "at 8 frames of 224 pixels divided costs more than joint",
            "TimeSformer's crossing": "where 224-pixel clips begin to profit",
            "an exact tie": "equal is not yet cheaper",
            "more than a float can hold": "whole numbers are exact at any size"}
    seen = {"pairs": "who looks at whom, counted frame by frame", "macs": "every matrix product of both kinds of block",
            "crossing": "the first whole number of frames at which divided is cheaper"}

    def all_of(function: str, sizes: dict, arguments: str, axes: str) -> list[Case]:
        return [Case(name, function, dict(zip(arguments, numbers, strict=True)), told.get(name, seen[function]),
                     axes=axes) for name, numbers in sizes.items()]

    return (all_of("pairs", pairs, "tn", BOTH) + all_of("macs", macs, "tnd", BOTH)
            + all_of("crossing", crossing, "nd", "one whole number"))


def oracle_pairs(t: int, n: int) -> tuple[int, int]:
    """Ask every frame how many keys its n tokens look at."""
    joint = divided = 0
    for _frame in range(t):
        joint += n * (t * n)
        divided += n * t  # along time: each token at its tube, itself included
        divided += n * n  # across space: each token at this frame, itself included
    return joint, divided


def oracle_macs(t: int, n: int, d: int) -> tuple[int, int]:
    """Add up the matrix products, rows x inner x columns each, of one group; take that as often as there are groups."""
    def product(rows: int, inner: int, columns: int) -> int:
        return rows * inner * columns

    def attention(group: int) -> int:
        made = product(group, d, 3 * d)  # queries, keys, values
        looked = product(group, d, group) + product(group, group, d)  # scores, then weights times values
        return made + looked + product(group, d, d)  # and the output projection

    along_time = n * (attention(t) + product(t, d, d))  # n tubes, each with the temporal projection
    across_space = t * attention(n)  # t frames
    return attention(t * n), along_time + across_space


def oracle_crossing(n: int, d: int) -> int:
    for t in range(1, 10**4):
        joint, divided = oracle_macs(t, n, d)
        if divided < joint:
            return t
    raise ValueError(f"no crossing below 10,000 frames for n = {n}, d = {d}")


def oracle(case: Case) -> tuple[int, int] | int:
    functions = {"pairs": oracle_pairs, "macs": oracle_macs, "crossing": oracle_crossing}
    return functions[case.function](**case.inputs)


def not_per_token(inputs, out: tuple[int, int]) -> str | None:
    t, n = inputs["t"], inputs["n"]
    if out[1] % (t * n) == 0:
        return None
    return (f"in divided attention all {t * n} tokens look at equally many others, so the pairs must be a "
            f"multiple of t·n = {t * n}; {int(out[1])} is not. How many tokens does one token look at, along "
            "time and across space?")


def not_first(inputs, t: int) -> str | None:
    n, d = inputs["n"], inputs["d"]
    if t < 1 or t > 10**6:
        return f"the crossing is a number of frames; {t} is none that a clip could have."
    now, before = oracle_macs(t, n, d), oracle_macs(max(1, t - 1), n, d)
    if now[1] >= now[0]:
        return (f"for n = {n}, d = {d} you say {t} frames, but there divided still costs {now[1]:,} "
                f"multiply-adds and joint {now[0]:,}: not yet cheaper.")
    if t > 1 and before[1] < before[0]:
        return (f"for n = {n}, d = {d} you say {t} frames, but already with {t - 1} divided costs {before[1]:,} "
                f"and joint {before[0]:,} multiply-adds: {t} is not the first.")
    return None


PAIRS = "return (t * n) ** 2, t * n * (t + n)"
JOINT, DIVIDED = "4 * t * n * d**2 + 2 * joint * d", "9 * t * n * d**2 + 2 * divided * d"
CROSSING = "(5 * d + 2 * n) // (2 * n - 2) + 1"

MUTANTS = (
    Mutant("t² + n² without t·n", ((PAIRS, "return (t * n) ** 2, t * t + n * n"),),
           "You gave t² + n² for divided attention. That is one tube and one frame; but there are n tubes of t² "
           "pairs and t frames of n² pairs: n·t² + t·n² = t·n·(t + n)."),
    Mutant("t + n only", ((PAIRS, "return t * n, t + n"),),
           "t + n is how many tokens one token looks at. All t·n tokens look: t·n·(t + n) pairs."),
    Mutant("space only", ((PAIRS, "return (t * n) ** 2, t * n * n"),),
           "Your divided count holds the frames, t·n², and leaves out the n tubes of t² pairs each."),
    Mutant("tubes and frames exchanged", ((PAIRS, "return (t * n) ** 2, t**3 + n**3"),),
           "You counted t tubes of t² and n frames of n². It is the other way round: one tube for each of the n "
           "places, one frame for each of the t moments: n·t² + t·n²."),
    Mutant("T + N - 1", ((PAIRS, "return (t * n) ** 2, t * n * (t + n - 1)"),),
           "You counted t + n - 1 keys for each token, as if both attentions were one softmax. There are two, and a "
           "token looks at itself in each: t + n."),
    Mutant("joint and divided exchanged", ((PAIRS, "return t * n * (t + n), (t * n) ** 2"),),
           "Joint and divided are exchanged in the pairs: (joint, divided) is asked for, and joint has more of them."),
    Mutant("each pair once",
           ((PAIRS, "return t * n * (t * n - 1) // 2, (n * t * (t - 1) + t * n * (n - 1)) // 2"),),
           "You counted each pair once and left out a token with itself. Attention computes a score for every query "
           "with every key: both directions and the diagonal."),
    Mutant("CLS counted", ((PAIRS, "return (t * n + 1) ** 2, n * t * t + t * (n + 1) ** 2"),),
           "You counted CLS as well. It is asked for patches alone, so that both kinds can be compared: (t·n)² and "
           "t·n·(t + n)."),
    Mutant("floating-point operations", ((JOINT, f"2 * ({JOINT})"), (DIVIDED, f"2 * ({DIVIDED})")),
           "Your numbers are twice too large: you counted a multiplication and an addition as two (FLOP). The "
           "papers, and this exercise, count one multiply-add (MAC)."),
    Mutant("costs exchanged", ((f"return {JOINT}, {DIVIDED}", f"return {DIVIDED}, {JOINT}"),),
           "The two costs are exchanged: (joint, divided) is asked for."),
    Mutant("MLP included", (("4 * t", "12 * t"), ("9 * t", "17 * t")),
           "You counted the MLP, 8·d² for each token, as the lesson's formula for the whole block does. It is left out "
           "here: joint and divided have the same."),
    Mutant("temporal projection forgotten", (("9 * t", "8 * t"),),
           "Your divided block has eight linear maps of d² for each patch. It has nine: two attentions with four each, "
           "and the temporal projection, which joint has not."),
    Mutant("linear maps forgotten", (("4 * t * n * d**2 + ", ""), ("9 * t * n * d**2 + ", "")),
           "You counted the scores and the weighing of values only. At d = 768 the linear maps (q, k, v and proj, "
           "4·d² for each token and attention) cost more than they do."),
    Mutant("one attention's maps", (("9 * t", "5 * t"),),
           "Divided attention consists of two attentions, each with its own q, k, v and proj: 8·d² for each token, "
           "and the temporal projection. You counted the maps of one."),
    Mutant("output projection forgotten", (("4 * t", "3 * t"), ("9 * t", "7 * t")),
           "You counted three linear maps in each attention, q, k and v. proj is the fourth."),
    Mutant("values not weighed", (("2 * joint", "joint"), ("2 * divided", "divided")),
           "You counted the scores, q·kᵀ, but not the second matrix product, weights times values. It costs as much "
           "again."),
    Mutant("pairs for multiply-adds", (("2 * joint * d", "2 * joint"), ("2 * divided * d", "2 * divided")),
           "You added the number of pairs as if each cost one multiply-add. A score is a product of two rows of d "
           "numbers, and weighing a value takes d more: 2·d multiply-adds for each pair."),
    Mutant("crossing of the pairs", ((CROSSING, "n // (n - 1) + 1"),),
           "Your crossing is that of the query-key pairs, as if linear maps were free. Divided saves pairs from a few "
           "frames on; but it also pays for a second attention's linear maps and the temporal projection, 5·d² for "
           "each token. Compare the multiply-adds."),
    Mutant("crossing of blocks with half the maps", (("5 * d", "1 * d"),),
           "Your divided block costs d² more than joint for each token, as if one set of q, k, v and proj served both "
           "attentions. Each has its own four, and the temporal projection comes to it: 5·d² more."),
    Mutant("crossing without the gate", (("5 * d", "4 * d"),),
           "Your divided block costs 4·d² more than joint for each token. It is 5·d²: the four maps of the second "
           "attention, and the temporal projection."),
    Mutant("rounded down", ((CROSSING, CROSSING.removesuffix(" + 1")),),
           "Your crossing comes one frame early: there divided is not yet cheaper. If you rounded the quotient down, "
           "the first whole number above it is one more."),
    Mutant("rounded to the nearest", ((CROSSING, "round((5 * d + 2 * n) / (2 * n - 2))"),),
           "You rounded to the nearest whole number. The first number of frames above the quotient is asked for, "
           "however little the quotient is above a whole number: floor plus 1."),
    Mutant("tie taken for cheaper", ((CROSSING, "math.ceil((5 * d + 2 * n) / (2 * n - 2))"),),
           "Where the quotient is a whole number both cost the same, and “cheaper” begins one frame later: floor plus "
           "1 and not ceil, < and not <=. Everywhere else you are right."),
)


def pairs_by_groups(t, n):
    return [t * n * t * n, sum(t * t for _ in range(n)) + sum(n * n for _ in range(t))]


def macs_by_parts(t, n, d):
    def attention(groups, k):
        return groups * (4 * k * d**2 + 2 * k * k * d)

    return attention(1, t * n), attention(n, t) + t * n * d**2 + attention(t, n)


def crossing_by_search(n, d):
    return next(t for t in itertools.count(1) if macs_by_parts(t, n, d)[1] < macs_by_parts(t, n, d)[0])


STYLES = (
    Style("group by group, and a search", {"pairs": pairs_by_groups, "macs": macs_by_parts,
                                           "crossing": crossing_by_search}),
    Style("floats that are whole", {"pairs": lambda t, n: tuple(map(float, pairs(t, n))),
                                    "macs": lambda t, n, d: tuple(map(float, macs(t, n, d)))}),
)

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
    answer=(pairs, macs, crossing),
    cases=cases,
    oracle=oracle,
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
