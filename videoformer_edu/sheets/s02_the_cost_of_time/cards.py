"""02.4: the numbers that papers print, derived; and the longest clip that a budget allows."""

from __future__ import annotations

import numpy as np

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style


def ends(t, n, d):
    """Multiply-adds outside of the blocks: patches of 16 x 16 x 3 pixels in, 400 classes out (given)."""
    return t * n * (16 * 16 * 3) * d + 400 * d


def block_of(kind, t, n, d):
    """Multiply-adds of one block on t frames of n patches and CLS, kind "joint" or "divided"."""
    patches, tokens, framed = t * n, t * n + 1, t * (n + 1)
    mlp = 8 * tokens * d**2
    if kind == "joint":
        return 4 * tokens * d**2 + 2 * tokens**2 * d + mlp
    time = 4 * patches * d**2 + 2 * n * t**2 * d + patches * d**2
    space = 4 * framed * d**2 + 2 * t * (n + 1) ** 2 * d
    return time + space + mlp


def clip_macs(kind, t, n, d, depth, views):
    """Multiply-adds of the whole model for one clip that is looked at in `views` views."""
    return views * (depth * block_of(kind, t, n, d) + ends(t, n, d))


def parameters(d, depth):
    """Parameters of the divided model as its paper counts them: without CLS and without position tables."""
    attention = 4 * (d**2 + d)
    block = 2 * attention + (d**2 + d) + 3 * 2 * d + 2 * 4 * d**2 + 4 * d + d
    return (16 * 16 * 3 + 1) * d + depth * block + 2 * d + (d + 1) * 400


def crossing(n, d, depth):
    """The first number of frames at which the divided model costs fewer multiply-adds than the joint one."""
    t = 1
    while clip_macs("divided", t, n, d, depth, 1) >= clip_macs("joint", t, n, d, depth, 1):
        t += 1
    return t


def longest_clip(budget, kind, n, d, depth):
    """The largest number of frames whose single view costs at most `budget` multiply-adds; 0 if there is none."""
    t = 0
    while clip_macs(kind, t + 1, n, d, depth, 1) <= budget:
        t += 1
    return t


def clip(kind: str, t: int, n: int, d: int, **more: int) -> dict[str, object]:
    return {"kind": kind, "t": t, "n": n, "d": d, **more}


def cases(rng: np.random.Generator) -> list[Case]:
    t, n, d = int(rng.integers(3, 6)), int(rng.choice([6, 8])), 4 * int(rng.integers(3, 6))
    depth, frames = int(rng.integers(2, 5)), int(rng.integers(15, 30))
    exact = oracle_macs("divided", frames, 9, d, depth)  # a budget that is used up to the last multiply-add
    return [
        Case("a joint block", "block_of", clip("joint", 3, 10, 12), "every matrix product, CLS among the tokens"),
        Case("a divided block", "block_of", clip("divided", 3, 10, 12),
             "time without CLS, space with a copy of it in every frame"),
        Case("any divided block", "block_of", clip("divided", t, n, d), "any size"),
        Case("TimeSformer, 8 frames, three views", "clip_macs", clip("divided", 8, 196, 768, depth=12, views=3),
             "0.587 T, which the paper prints as 0.59"),
        Case("TimeSformer-L, 96 frames, three views", "clip_macs", clip("divided", 96, 196, 768, depth=12, views=3),
             "7.14 T, as in the paper"),
        Case("joint, one view", "clip_macs", clip("joint", t, n, d, depth=depth, views=1), "any size"),
        Case("TimeSformer's parameters", "parameters", {"d": 768, "depth": 12}, "121.4 M, as in the paper"),
        Case("parameters of a small one", "parameters", {"d": d, "depth": depth}, "any width and depth"),
        Case("the crossing at 224 pixels", "crossing", {"n": 196, "d": 768, "depth": 12}, "11 frames"),
        *(Case(f"a crossing at {n} patches", "crossing", {"n": n, "d": width, "depth": depth}, sees) for n, width, sees
          in ((16, d, "any size"), (22, 16, "a tie is not cheaper"), (5, 300, "few wide patches"))),
        Case("1 T", "longest_clip", {"budget": 10**12, "kind": "joint", "n": 196, "d": 768, "depth": 12}, "27 frames"),
        Case("a budget used up", "longest_clip", {"budget": exact, "kind": "divided", "n": 9, "d": d, "depth": depth},
             "at most the budget: all of it may be spent"),
        Case("a multiply-add to spare", "longest_clip", {"budget": oracle_macs("divided", 130 + t, 5, d, 2) + 1, "kind":
             "divided", "n": 5, "d": d, "depth": 2}, "and not enough for another frame"),
        Case("a budget too small", "longest_clip", {"budget": 1000, "kind": "divided", "n": 9, "d": d, "depth": depth},
             "not even one frame"),
    ]


def oracle_block(kind: str, t: int, n: int, d: int) -> int:
    """Group by group, product by product: rows x inner x columns each."""
    def product(rows: int, inner: int, columns: int) -> int:
        return rows * inner * columns

    def attention(group: int) -> int:
        made = sum(product(group, d, d) for _ in ("q", "k", "v", "output"))
        return made + product(group, d, group) + product(group, group, d)

    every = 1 + t * n
    mlp = product(every, d, 4 * d) + product(every, 4 * d, d)
    if kind == "joint":
        return attention(every) + mlp
    along = sum(attention(t) + product(t, d, d) for _ in range(n))  # each tube, and the map behind it
    return along + sum(attention(1 + n) for _ in range(t)) + mlp


def oracle_macs(kind: str, t: int, n: int, d: int, depth: int) -> int:
    embedding = sum(n * 768 * d for _ in range(t))
    return embedding + sum(oracle_block(kind, t, n, d) for _ in range(depth)) + d * 400


def oracle_parameters(d: int, depth: int) -> int:
    """Shape by shape, as the tensors lie in the file."""
    linear = lambda rows, columns: rows * columns + rows  # noqa: E731
    norm = d + d
    attention = linear(3 * d, d) + linear(d, d)
    block = norm + attention + linear(d, d)  # time
    block += norm + attention  # space
    block += norm + linear(4 * d, d) + linear(d, 4 * d)
    return linear(d, 768) + sum(block for _ in range(depth)) + norm + linear(400, d)


def oracle(case: Case) -> int:
    given = dict(case.inputs)
    if case.function == "block_of":
        return oracle_block(**given)
    if case.function == "clip_macs":
        views = given.pop("views")
        return sum(oracle_macs(**given) for _ in range(views))
    if case.function == "parameters":
        return oracle_parameters(**given)
    if case.function == "crossing":
        costs = lambda t: [oracle_macs(kind, t, **given) for kind in ("divided", "joint")]  # noqa: E731
        return next(t for t in range(1, 1000) if costs(t)[0] < costs(t)[1])
    budget = given.pop("budget")
    return next(t for t in range(1000) if oracle_macs(t=t + 1, **given) > budget)


def within(inputs, out: np.ndarray) -> str | None:
    t, given = min(max(int(out), 0), 1000), dict(inputs)  # the oracle adds up frame by frame
    budget = given.pop("budget")
    now, more = (oracle_macs(t=frames, **given) for frames in (t, t + 1))
    if t and now > budget:
        return f"{t} frames cost {now:,} multiply-adds, more than the {budget:,} that there are."
    if more <= budget:
        return f"one frame more, {t + 1}, costs {more:,}, and that is still within the {budget:,}."
    return None


MLP, TIME, SPACE = "8 * tokens * d**2", "2 * n * t**2 * d", "2 * t * (n + 1) ** 2 * d"
TOTAL = "return views * (depth * block_of(kind, t, n, d) + ends(t, n, d))"

MUTANTS = (
    Mutant("CLS forgotten", (("t * n, t * n + 1, t * (n + 1)", "t * n, t * n, t * n"), (SPACE, "2 * t * n**2 * d")),
           "You left CLS out. It is a token of the joint block and of the MLP, and has a copy in every frame of the "
           "spatial attention."),
    Mutant("one CLS in space", (("t * n + 1, t * (n + 1)", "t * n + 1, t * n + 1"),),
           "In space you counted one CLS for the clip. Every frame gets a copy of it, so the maps see t · (n + 1) "
           "tokens."),
    Mutant("CLS in time", ((TIME, "2 * (n + 1) * t**2 * d"),),
           "You gave CLS a tube of its own in temporal attention. In the published code it takes no part in time: n "
           "tubes."),
    Mutant("map behind time forgotten", ((" + patches * d**2", ""),),
           "The divided block lacks the map behind its temporal attention: one more d × d for each patch."),
    Mutant("floating-point operations", ((TOTAL, TOTAL.replace("views *", "2 * views *")),),
           "Twice too much: that is the count in floating-point operations, which torch's counter prints. The papers "
           "print multiply-adds, and call them FLOPs."),
    Mutant("one view", ((TOTAL, TOTAL.replace("views *", "1 *")),),
           "This is the cost of one view, a third of what the paper prints: it looks at each clip in three views and "
           "adds them up."),
    Mutant("ends forgotten", ((" + ends(t, n, d)", ""),),
           "You counted the blocks alone. The patches are embedded before them and the classes read after them: "
           "ends(t, n, d)."),
    Mutant("biases forgotten", (("4 * (d**2 + d)", "4 * d**2"),),
           "You left out the biases of the attentions: each of the four maps adds a vector of d numbers."),
    Mutant("tables counted", (("return (16 * 16 * 3 + 1) * d", "return (16 * 16 * 3 + 1) * d + (1 + 197 + 8) * d"),),
           "You counted CLS and the position tables of 8 frames (206 vectors). The paper's 121.4 M leave them out; the "
           "file holds 121.6 M."),
    Mutant("joint model's parameters", (("2 * attention + (d**2 + d) + 3 * 2 * d", "attention + 2 * 2 * d"),),
           "This is the joint model's count, 85.9 M in the paper. A divided block has a second attention, the map "
           "behind it, and a third norm."),
    Mutant("head forgotten", ((" + (d + 1) * 400", ""),),
           "The head is missing: 400 classes, each with d weights and a bias."),
    Mutant("crossing of pairs",
           (('clip_macs("divided", t, n, d, depth, 1) >= clip_macs("joint", t, n, d, depth, 1)',
             "t * n * (t + n) >= (t * n) ** 2"),),
           "You compared pairs. Divided has fewer of them from two frames on; what it pays besides, a second "
           "attention's maps and the map behind it, decides the bill."),
    Mutant("budget not spent", (("<= budget", "< budget"),),
           "You stop before a clip that costs exactly the budget. “At most” lets all of it be spent."),
    Mutant("the first too long", (("    t = 0\n", "    t = 1\n"), ("kind, t + 1, n", "kind, t, n")),
           "You return the first clip that is too long. The longest one within the budget is one frame shorter."),
)


def block_by_attentions(kind, t, n, d):
    def attention(groups, length):
        return groups * length * (4 * d * d + 2 * length * d)

    mlp = 2 * (1 + t * n) * d * 4 * d
    if kind == "divided":
        return attention(n, t) + n * t * d * d + attention(t, n + 1) + mlp
    return attention(1, 1 + t * n) + mlp


def macs_by_views(kind, t, n, d, depth, views):
    one = 768 * d * t * n + d * 400 + sum(block_by_attentions(kind, t, n, d) for _ in range(depth))
    return sum(one for _ in range(views))


def parameters_by_shape(d, depth):
    shapes = [(3 * d, d), (d, d)] * 2 + [(d, d), (4 * d, d), (d, 4 * d)]
    block = sum(rows * columns + rows for rows, columns in shapes) + 6 * d
    return 769 * d + depth * block + 2 * d + 400 * (d + 1)


def longest_by_listing(budget, kind, n, d, depth):
    return sum(macs_by_views(kind, t, n, d, depth, 1) <= budget for t in range(1, 200))


STYLES = (
    Style("group by group", {"block_of": block_by_attentions, "clip_macs": macs_by_views,
                             "parameters": parameters_by_shape, "longest_clip": longest_by_listing}),
    Style("floats that are whole", {"parameters": lambda d, depth: float(parameters_by_shape(d, depth))}),
)

EXERCISE = Exercise(
    id="02.4",
    title="Derive the published number",
    difficulty=4,
    minutes=16,
    points=30,
    why="whoever can derive 0.59 T, 121.4 M and 11 frames will not be fooled by a table that mixes FLOP and "
        "multiply-adds, or one view and three.",
    objectives=("derive the cost and the parameters that a paper prints, and say what it counts",
                "find the clip length at which dividing pays, and the longest clip within a budget"),
    answer=(block_of, clip_macs, parameters, crossing, longest_clip),
    given=(ends,),
    cases=cases,
    oracle=oracle,
    properties=(Property("within the budget, and no shorter than it must be", "longest_clip", within),),
    hints=(
        "Joint block: 02.2 with t·n + 1 tokens that all look at each other. Divided block: temporal attention over the "
        "t·n patches (n tubes of t²), one more d × d for each patch, spatial attention over t groups of n + 1 (CLS has "
        "a copy in each), and the MLP for t·n + 1 tokens.",
        "Parameters: a linear map from a to b numbers has a·b + b, a norm 2·d. Embedding 768 → d; in each block two "
        "attentions of four maps, one map more, three norms, the MLP d → 4d → d; a last norm; the head d → 400.",
        "crossing and longest_clip are searches: count t up, and stop at the first t at which the condition changes. "
        "Cheaper means less, within the budget means not more.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
