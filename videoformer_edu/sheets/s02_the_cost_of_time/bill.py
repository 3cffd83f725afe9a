"""02.2: query-key pairs of the patterns, and what a block pays for."""

from __future__ import annotations

import numpy as np

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style


def pairs(t, h, w):
    """Query-key pairs of four patterns, patches alone -> (joint, space, time, axial)."""
    tokens = t * h * w
    return tokens**2, tokens * h * w, tokens * t, tokens * (t + h + w)


def block_macs(tokens, looks, d, ratio):
    """Multiply-adds of a block: one attention with `looks` pairs, and an MLP that is `ratio` times as wide."""
    maps = 4 * tokens * d**2
    scored = 2 * looks * d
    return maps + scored + 2 * tokens * d * (ratio * d)


def share_of_pairs(tokens, d, ratio):
    """Which share of a joint block's multiply-adds are the pairs, from 0 to 1."""
    return 2 * tokens**2 * d / block_macs(tokens, tokens**2, d, ratio)


FOUR = "four numbers, (joint, space, time, axial)"


def cases(rng: np.random.Generator) -> list[Case]:
    t, h, w = int(rng.integers(5, 8)), int(rng.integers(2, 5)), int(rng.integers(8, 11))
    tokens, d, ratio = int(rng.integers(31, 60)), 4 * int(rng.integers(3, 7)), int(rng.integers(2, 4))
    return [
        Case("pairs of the house", "pairs", {"t": 2, "h": 2, "w": 2}, "eight tokens, asked one by one", axes=FOUR),
        Case("pairs of a clip", "pairs", {"t": 3, "h": 4, "w": 5}, "no two sides alike", axes=FOUR),
        Case("pairs of any clip", "pairs", {"t": t, "h": h, "w": w}, "any size", axes=FOUR),
        Case("pairs of a long clip", "pairs", {"t": 40 * t + 1, "h": 15, "w": 17}, "billions of pairs", axes=FOUR),
        Case("the house's block", "block_macs", {"tokens": 8, "looks": 64, "d": 4, "ratio": 4},
             "eight times the 256 that `t0·sky` pays"),
        Case("a block of ViT-B on 8 frames", "block_macs", {"tokens": 1569, "looks": 1569**2, "d": 768, "ratio": 4},
             "14.9 G, as in the lesson"),
        Case("any block", "block_macs", {"tokens": tokens, "looks": 7 * tokens + 5, "d": d, "ratio": ratio},
             "any pattern, width and MLP"),
        Case("ViT-B on 8 frames", "share_of_pairs", {"tokens": 1569, "d": 768, "ratio": 4}, "a quarter"),
        Case("half at 6 d", "share_of_pairs", {"tokens": 6 * d, "d": d, "ratio": 4}, "exactly one half"),
        Case("another MLP", "share_of_pairs", {"tokens": 9 * d + tokens, "d": d, "ratio": 3},
             "with a narrower MLP the pairs are a larger share"),
    ]


def oracle(case: Case) -> tuple[int, ...] | int | float:
    given = case.inputs
    if case.function == "pairs":
        return oracle_pairs(**given)
    if case.function == "block_macs":
        return oracle_macs(**given)
    tokens, d = given["tokens"], given["d"]
    whole = oracle_macs(tokens, tokens * tokens, d, given["ratio"])
    return sum(d + d for _ in range(tokens)) * tokens / whole


def oracle_pairs(t: int, h: int, w: int) -> tuple[int, int, int, int]:
    """Ask every token whom it looks at: all whose places agree on some axes. A line of the clip is where two of the
    three agree; axial attention looks along three lines, and on each of them at its own place as well."""
    places = np.indices((t, h, w)).reshape(3, -1)  # frame, row and column of each token

    def agreeing(*axes: int) -> int:
        groups = np.zeros_like(places[0])
        for axis in axes:
            groups = groups * 1000 + places[axis]
        return sum(int(size) ** 2 for size in np.unique(groups, return_counts=True)[1])

    return agreeing(), agreeing(0), agreeing(1, 2), agreeing(1, 2) + agreeing(0, 2) + agreeing(0, 1)


def oracle_macs(tokens: int, looks: int, d: int, ratio: int) -> int:
    """Add up the matrix products: rows x inner x columns each."""
    total = 0
    for columns in (d, d, d, d):  # queries, keys, values, output
        total += tokens * d * columns
    total += looks * d  # a score is a product of d numbers
    total += looks * d  # a value that is weighed has d numbers
    hidden = ratio * d
    return total + tokens * d * hidden + tokens * hidden * d


def same_for_all(inputs, out: np.ndarray) -> str | None:
    tokens = inputs["t"] * inputs["h"] * inputs["w"]
    odd = [name for name, count in zip(("joint", "space", "time", "axial"), out, strict=True) if int(count) % tokens]
    if not odd:
        return None
    return (f"all {tokens} tokens look at equally many others, so every count is a multiple of {tokens}; yours is not "
            f"for {' and '.join(odd)}.")


def a_share(inputs, out: np.ndarray) -> str | None:
    if 0 < float(out) < 1:
        return None
    return f"a share lies between 0 and 1, and yours is {float(out):.4g}."


PAIRS = "return tokens**2, tokens * h * w, tokens * t, tokens * (t + h + w)"
SHARE = "return 2 * tokens**2 * d / block_macs(tokens, tokens**2, d, ratio)"
MLP = "2 * tokens * d * (ratio * d)"

MUTANTS = (
    Mutant("space and time exchanged", ((PAIRS, "return tokens**2, tokens * t, tokens * h * w, tokens * (t + h + w)"),),
           "Space and time have changed places. In space a token looks at its own frame, h · w tokens; in time at its "
           "own place in all t frames."),
    Mutant("one frame, one tube", ((PAIRS, "return tokens**2, (h * w) ** 2, t**2, tokens * (t + h + w)"),),
           "You counted the pairs of one frame and of one place. There are t frames of (h·w)² pairs, and h·w places of "
           "t²."),
    Mutant("each pair once",
           ((PAIRS, "return (tokens * (tokens + 1) // 2, tokens * (h * w + 1) // 2, tokens * (t + 1) // 2, "
                    "tokens * (t + h + w + 3) // 2)"),),
           "You counted a pair of tokens once. A looks at B and B looks at A: these are two scores."),
    Mutant("not at itself",
           ((PAIRS, "return tokens * (tokens - 1), tokens * (h * w - 1), tokens * (t - 1), tokens * (t + h + w - 3)"),),
           "You left out that a token looks at itself. Its own score is computed like every other."),
    Mutant("axial as a product", (("(t + h + w)", "(t * h + h * w + t * w)"),),
           "You multiplied the axes of axial attention. It looks along three lines in turn, t, h and w tokens long: "
           "the pairs of three attentions add up."),
    Mutant("axial with itself once", (("(t + h + w)", "(t + h + w - 2)"),),
           "You counted the token itself once in axial attention. It runs three attentions, one along each axis, and "
           "each looks at the own place again: t + h + w for each token."),
    Mutant("CLS counted",
           ((PAIRS, "return (tokens + 1) ** 2, t * (h * w + 1) ** 2, tokens * t, tokens * (t + h + w)"),),
           "You counted CLS as well. It is asked for the pairs of the patches alone."),
    Mutant("floating-point operations", (("return maps + scored", "return 2 * maps + 2 * scored"), (MLP, f"2 * {MLP}"),
                                        ("return 2 * tokens**2 * d /", "return 4 * tokens**2 * d /")),
           "Your cost is twice too large: you counted a multiplication and an addition as two (FLOP). Here one "
           "multiply-add counts once, as in the papers."),
    Mutant("output map forgotten", (("4 * tokens * d**2", "3 * tokens * d**2"),),
           "You counted three maps of d × d: queries, keys, values. The output map is the fourth."),
    Mutant("values not weighed", (("2 * looks * d", "looks * d"),),
           "You counted the scores and not the mean of the values. Weighing d numbers for each pair costs as much as "
           "the score."),
    Mutant("a pair for one multiply-add", (("2 * looks * d", "2 * looks"),),
           "You counted each score as one multiply-add. It is a product of d numbers, and weighing a value takes d "
           "more."),
    Mutant("half of the MLP", ((MLP, "tokens * d * (ratio * d)"),),
           "You counted one map of the MLP. It has two: up to ratio · d numbers, and back."),
    Mutant("an MLP of four", ((MLP, "8 * tokens * d**2"),),
           "You took an MLP four times as wide as the tokens. Its width is given: ratio · d."),
    Mutant("no MLP", ((f" + {MLP}", ""),),
           "The MLP is missing. It costs 2 · ratio · d² for each token; with a ratio of 4 that is twice the maps of "
           "the attention."),
    Mutant("pairs to the rest",
           ((SHARE, "return 2 * tokens**2 * d / block_macs(tokens, 0, d, ratio)"),),
           "You divided the pairs by the rest of the block. A share is a part of the whole, pairs included."),
    Mutant("per cent", ((SHARE, SHARE.replace("return", "return 100 *")),),
           "You gave per cent. A share from 0 to 1 is asked for."),
)


def pairs_by_groups(t, h, w):
    n = h * w
    axial = n * t * t + t * w * h * h + t * h * w * w  # lines along time, columns, rows
    return [(t * n) ** 2, sum(n * n for _ in range(t)), sum(t * t for _ in range(n)), axial]


def macs_by_token(tokens, looks, d, ratio):
    each = 4 * d * d + 2 * ratio * d * d
    return tokens * each + looks * (d + d)


def share_in_short(tokens, d, ratio):
    return tokens / (tokens + (2 + ratio) * d)


STYLES = (
    Style("group by group, and in short", {"pairs": pairs_by_groups, "block_macs": macs_by_token,
                                           "share_of_pairs": share_in_short}),
    Style("floats that are whole", {"pairs": lambda t, h, w: tuple(map(float, pairs_by_groups(t, h, w))),
                                    "block_macs": lambda tokens, looks, d, ratio: float(
                                        macs_by_token(tokens, looks, d, ratio))}),
)

EXERCISE = Exercise(
    id="02.2",
    title="Pairs, and who pays in a block",
    difficulty=2,
    minutes=12,
    points=25,
    why="“attention is quadratic” says nothing about a bill until you know which share of it the pairs are.",
    objectives=("count the pairs of joint, spatial, temporal and axial attention",
                "add up the multiply-adds of a block with its MLP, and name the share of the pairs"),
    answer=(pairs, block_macs, share_of_pairs),
    cases=cases,
    oracle=oracle,
    properties=(
        Property("every token looks equally far", "pairs", same_for_all),
        Property("a share", "share_of_pairs", a_share),
    ),
    hints=(
        "Pairs: ask one token how many it looks at (itself too), then multiply by the number of tokens.",
        "A matrix product of (rows, inner) with (inner, columns) costs rows · inner · columns. For each token: four "
        "maps of d × d, and two of d × ratio·d. For each pair: d for the score, d for the weighed value.",
        "The share is 2·l²·d over the whole block. Cancel 2·l·d and you get l / (l + (2 + ratio)·d): one half at "
        "l = 6d when the MLP is four times as wide.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
