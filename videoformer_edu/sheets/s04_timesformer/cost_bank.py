"""The bank of 04.4: wrong counts with their sentences, right ones in other styles."""

from __future__ import annotations

import itertools
import math

from videoformer_edu.grading.spec import Mutant, Style


def pairs(t, n):
    return (t * n) ** 2, t * n * (t + n)


def macs(t, n, d, *, maps=4, products=2, gate=1, divided_maps=None, times=1):
    """Right as it stands; each keyword breaks one thing."""
    l = t * n
    divided_maps = 2 * maps if divided_maps is None else divided_maps
    joint = maps * l * d * d + products * l * l * d
    divided = (divided_maps + gate) * l * d * d + products * l * (t + n) * d
    return times * joint, times * divided


def crossing(n, d):
    return (5 * d + 2 * n) // (2 * n - 2) + 1


def mutant(name: str, sentence: str, **wrong) -> Mutant:
    return Mutant(name, {"pairs": pairs, "macs": macs, "crossing": crossing} | wrong, sentence)


def pairs_unweighted(t, n, d):
    joint, divided = pairs(t, n)
    return 4 * t * n * d * d + 2 * joint, 9 * t * n * d * d + 2 * divided


MUTANTS = (
    mutant("t² + n² without t·n",
           "You gave t² + n² for divided attention. That is one tube and one frame; but there are n tubes of t² "
           "pairs and t frames of n² pairs: n·t² + t·n² = t·n·(t + "
           "n).", pairs=lambda t, n: ((t * n) ** 2, t * t + n * n)),
    mutant("t + n only",
           "t + n is how many tokens one token looks at. All t·n tokens look: t·n·(t + n) pairs.",
           pairs=lambda t, n: (t * n, t + n)),
    mutant("space only",
           "Your divided count holds the frames, t·n², and leaves out the n tubes of t² pairs each.",
           pairs=lambda t, n: ((t * n) ** 2, t * n * n)),
    mutant("tubes and frames exchanged",
           "You counted t tubes of t² and n frames of n². It is the other way round: one tube for each of the n "
           "places, one frame for each of the t moments: n·t² + "
           "t·n².", pairs=lambda t, n: ((t * n) ** 2, t**3 + n**3)),
    mutant("each pair once",
           "You counted each pair once and left out a token with itself. Attention computes a score for every "
           "query with every key: both directions and the diagonal.",
           pairs=lambda t, n: (t * n * (t * n - 1) // 2, (n * t * (t - 1) + t * n * (n - 1)) // 2)),
    mutant("CLS counted",
           "You counted CLS as well. It is asked for patches alone, so that both kinds can be compared: (t·n)² and "
           "t·n·(t + n).", pairs=lambda t, n: ((t * n + 1) ** 2, n * t * t + t * (n + 1) ** 2)),
    mutant("floating-point operations",
           "Your numbers are twice too large: you counted a multiplication and an addition as two (FLOP). The "
           "papers, and this exercise, count one multiply-add (MAC).", macs=lambda t, n, d: macs(t, n, d, times=2)),
    mutant("temporal projection forgotten",
           "You left out the temporal projection: one more linear map of d² for each patch, in divided blocks "
           "only.",
           macs=lambda t, n, d: macs(t, n, d, gate=0)),
    mutant("linear maps forgotten",
           "You counted the scores and the weighing of values only. At d = 768 the linear maps (q, k, v and "
           "proj, 4·d² for each token and attention) cost more than they "
           "do.", macs=lambda t, n, d: macs(t, n, d, maps=0, gate=0)),
    mutant("one attention's maps",
           "Divided attention consists of two attentions, each with its own q, k, v and proj: 8·d² for each "
           "token, and the temporal projection. You counted the maps of "
           "one.", macs=lambda t, n, d: macs(t, n, d, divided_maps=4)),
    mutant("output projection forgotten",
           "You counted three linear maps in each attention, q, k and v. proj is the fourth.",
           macs=lambda t, n, d: macs(t, n, d, maps=3)),
    mutant("values not weighed",
           "You counted the scores, q·kᵀ, but not the second matrix product, weights times values. It costs as "
           "much again.", macs=lambda t, n, d: macs(t, n, d, products=1)),
    mutant("pairs for multiply-adds",
           "You added the number of pairs as if each cost one multiply-add. A score is a product of two rows of d "
           "numbers, and weighing a value takes d more: 2·d multiply-adds for each pair.", macs=pairs_unweighted),
    mutant("crossing of the pairs",
           "You compared query-key pairs. Dividing always saves pairs from a few frames on; but it also pays for "
           "a second attention's linear maps and the temporal projection, 5·d² for each token. Compare the "
           "multiply-adds.",
           crossing=lambda n, d: n // (n - 1) + 1),
    mutant("crossing without the gate",
           "Your crossing leaves out the temporal projection: 5·d² more for each token in a divided block, not "
           "4·d².",
           crossing=lambda n, d: (4 * d + 2 * n) // (2 * n - 2) + 1),
    mutant("rounded down",
           "You rounded down: at that many frames divided is not yet cheaper. The first whole number above the "
           "quotient is the answer.", crossing=lambda n, d: (5 * d + 2 * n) // (2 * n - 2)),
    mutant("rounded to the nearest",
           "You rounded to the nearest whole number. The first number of frames above the quotient is asked for, "
           "however little the quotient is above a whole number: floor plus 1.",
           crossing=lambda n, d: round((5 * d + 2 * n) / (2 * n - 2))),
    mutant("tie taken for cheaper",
           "You rounded up, which is right except when the quotient is a whole number: there both cost the same, "
           "and “cheaper” begins one frame later (floor plus 1).",
           crossing=lambda n, d: math.ceil((5 * d + 2 * n) / (2 * n - 2))),
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
    Style("closed form", {"pairs": pairs, "macs": macs, "crossing": crossing}),
    Style("group by group, and a search", {"pairs": pairs_by_groups, "macs": macs_by_parts,
                                           "crossing": crossing_by_search}),
    Style("floats that are whole", {"pairs": lambda t, n: tuple(map(float, pairs(t, n))), "crossing": crossing,
                                    "macs": lambda t, n, d: tuple(map(float, macs(t, n, d)))}),
)
