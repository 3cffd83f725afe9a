"""03.4: a wiring under a budget of pairs whose reach is full. Many answers are right."""

from __future__ import annotations

import numpy as np
import torch

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets.s03_factorised_attention import heard
from videoformer_edu.sheets.s03_factorised_attention.predicates import places, same


def wiring(t, h, w, attentions, budget):
    """Tables (attentions, l, l) bool: at most `budget` pairs in all, and everyone can have heard everyone."""
    frames, rows, columns = places(t, h, w)
    if attentions == 1:
        return torch.ones(1, t * h * w, t * h * w, dtype=torch.bool)  # nobody can pass anything on: joint
    lines = torch.stack([same(rows) & same(columns), same(frames) & same(columns), same(frames) & same(rows)])
    planes = torch.stack([same(frames), same(rows), same(columns)])  # across t, h, w: what the line leaves out
    if attentions == 3:
        return lines  # along t, along h, along w
    cheapest = (lines.sum((1, 2)) + planes.sum((1, 2))).argmin()
    return torch.stack([lines[cheapest], planes[cheapest]])


def least(t: int, h: int, w: int, attentions: int) -> int:
    """Pairs of the cheapest wiring of lines and planes."""
    keys = {1: t * h * w, 2: min(t + h * w, h + t * w, w + t * h), 3: t + h + w}[attentions]
    return t * h * w * keys


def cases(rng: np.random.Generator) -> list[Case]:
    long, small = int(rng.choice([6, 7])), int(rng.choice([2, 3]))
    sizes = [
        ("one attention", (3, 2, small), 1, "one attention has to be joint"),
        ("two attentions, many patches", (2, 4, 5), 2, "a short clip of large frames"),
        ("two attentions, many frames", (long, 2, 3), 2, "a long clip of small frames"),
        ("two attentions, one wide row", (3, 2, long), 2, "the longest axis may lie in space"),
        ("three attentions", (4, 3, small), 3, "a line a time"),
        ("three attentions, another clip", tuple(map(int, rng.permutation([2, 3, 5]))), 3, "any size"),
    ]
    return [Case(name, "wiring", dict(zip("thw", size, strict=True)) | {"attentions": count,
                                                                        "budget": least(*size, count)},
                 f"{sees}: {least(*size, count):,} pairs are enough", axes="attention, row looks, column is looked at",
                 free=True) for name, size, count, sees in sizes]


def oracle(case: Case) -> np.ndarray:
    """One right answer, for its form: lines and planes, asked token by token."""
    t, h, w, attentions = (case.inputs[name] for name in ("t", "h", "w", "attentions"))
    tokens = [(i, j, k) for i in range(t) for j in range(h) for k in range(w)]
    if attentions == 1:
        held = [()]
    elif attentions == 3:
        held = [(1, 2), (0, 2), (0, 1)]  # which coordinates agree
    else:
        axis = min(range(3), key=lambda i: (t, h, w)[i] + t * h * w // (t, h, w)[i])
        held = [tuple(i for i in range(3) if i != axis), (axis,)]
    return np.array([[[all(q[i] == k[i] for i in fixed) for k in tokens] for q in tokens] for fixed in held])


def over_budget(inputs, out: np.ndarray) -> str | None:
    spent = int(out.sum())
    if spent <= inputs["budget"]:
        return None
    return (f"for a clip of {inputs['t']} x {inputs['h']} x {inputs['w']} tokens and {inputs['attentions']} attentions "
            f"your tables hold {spent:,} pairs, and the budget is {inputs['budget']:,}.")


def out_of_reach(inputs, out: np.ndarray) -> str | None:
    known = heard.oracle_heard(out.astype(bool))
    if known.all():
        return None
    t, h, w = inputs["t"], inputs["h"], inputs["w"]
    q, k = map(int, np.argwhere(~known)[0])
    place = "frame {}, row {}, column {}".format
    return (f"in a clip of {t} x {h} x {w}, after all {inputs['attentions']} attentions {int((~known).sum()):,} of "
            f"{known.size:,} pairs are not reached: the token of {place(q // (h * w), q // w % h, q % w)} has heard "
            f"nothing of {place(k // (h * w), k // w % h, k % w)}.")


TWO = "return torch.stack([lines[cheapest], planes[cheapest]])"

MUTANTS = (
    Mutant("joint every time", (("if attentions == 1:", "if attentions:"),
                                ("torch.ones(1, t * h * w, t * h * w, dtype=torch.bool)",
                                 "torch.ones(attentions, t * h * w, t * h * w, dtype=torch.bool)")),
           "All your attentions are joint. Everyone hears everyone, and the first alone costs (t·h·w)² pairs. With two "
           "attentions nobody has to look everywhere."),
    Mutant("divided every time", ((TWO, "return torch.stack([lines[0], planes[0]])"),),
           "Your two attentions are tubes and frames, whatever the clip. That is the cheapest split only where the "
           "frames are small beside the tubes' length: compare the three ways to pair a line with a plane."),
    Mutant("the dearest split", ((".argmin()", ".argmax()"),),
           "You chose the split of line and plane with the *most* pairs."),
    Mutant("lines for two", ((TWO, "return lines[:2]"),),
           "Your two attentions are two lines. The third axis never moves: whoever is in another column stays "
           "unheard. One of the two has to be a plane."),
    Mutant("twice the same plane", ((TWO, "return torch.stack([planes[cheapest], planes[cheapest]])"),),
           "Your two attentions are the same plane twice. Groups that never change never meet."),
    Mutant("twice the same line", ((TWO, "return torch.stack([lines[cheapest], lines[cheapest]])"),),
           "Your two attentions run along the same line. Whatever lies off that line is never heard."),
    Mutant("a line inside its plane", ((TWO, "return torch.stack([lines[cheapest - 1], planes[cheapest]])"),),
           "Your line lies inside your plane, so it brings nothing that the plane does not. Pair a line with the "
           "plane that *crosses* it."),
    Mutant("space left to rows", (("        return lines  # along", "        return lines[[0, 2, 2]]  # along"),),
           "Of your three attentions two run along w and none along h. Each axis has to be walked once."),
    Mutant("planes for three", (("        return lines  # along", "        return planes  # along"),),
           "Your three attentions are planes. They reach everything, and a plane has many more keys than a line: "
           "with three attentions, lines are enough."),
    Mutant("windows of neighbours", (("        return lines  # along",
                                      "        return lines & torch.ones_like(lines).triu(-w).tril(w)  # along"),),
           "You cut your lines to near neighbours. That is cheap, and news then moves a step a time; three "
           "attentions do not bring it across the clip."),
    Mutant("only earlier frames", ((TWO, "return torch.stack([lines[cheapest], planes[cheapest]]).tril()"),),
           "Your tokens look only at tokens before them (a causal mask), so nobody hears of what comes later."),
    Mutant("everything at the end", (("torch.ones(1, t * h * w, t * h * w, dtype=torch.bool)",
                                      "torch.ones(1, t * h * w, t * h * w, dtype=torch.bool).triu()"),),
           "In one attention nobody passes anything on, so every token has to look at every token itself. You left "
           "half of them out."),
)


def by_factors(t, h, w, attentions, budget):
    """Masks of coordinates, tried from the cheapest on."""
    coordinates = places(t, h, w)
    l = t * h * w
    groupings = {1: [[()]], 2: [[(1, 2), (0,)], [(0, 2), (1,)], [(0, 1), (2,)]], 3: [[(1, 2), (0, 2), (0, 1)]]}
    for held in groupings[attentions]:
        tables = []
        for fixed in held:
            table = torch.ones(l, l, dtype=torch.bool)
            for i in fixed:
                table &= same(coordinates[i])
            tables.append(table)
        tables = torch.stack(tables)
        if int(tables.sum()) <= budget:
            return tables
    return None


def planes_first(t, h, w, attentions, budget):
    """Full reach does not care for the order."""
    return wiring(t, h, w, attentions, budget).flip(0)


def by_a_hub(t, h, w, attentions, budget):
    """One token looks at everyone, then everyone looks at it: few pairs, and one vector for all that is known."""
    tables = torch.eye(t * h * w, dtype=torch.bool).repeat(attentions, 1, 1)
    tables[0, 0] = True
    tables[1:, :, 0] = True
    return tables if attentions > 1 else torch.ones_like(tables)


STYLES = (Style("coordinates held still", {"wiring": by_factors}), Style("the other order", {"wiring": planes_first}),
          Style("a hub", {"wiring": by_a_hub}))

EXERCISE = Exercise(
    id="03.4",
    title="A wiring under a budget",
    difficulty=3,
    minutes=12,
    points=25,
    why="this is what designing attention is: full reach, fewest pairs, and as few attentions as one can afford.",
    objectives=("design a pattern whose reach is full", "trade the number of attentions against their pairs"),
    answer=(wiring,),
    given=(places, same),
    cases=cases,
    oracle=oracle,
    differentiable=False,
    properties=(Property("within the budget", "wiring", over_budget), Property("full reach", "wiring", out_of_reach)),
    hints=(
        "With one attention everyone has to look at everyone. With two, the keys of the first times the keys of the "
        "second have to make up the whole clip.",
        "A line along one axis and the plane across it: t + h·w keys, or h + t·w, or w + t·h. Which is least depends "
        "on the clip; the budget leaves room for that one only.",
        "Three attentions: a line along each axis, t + h + w keys. Build the tables with same(): a line holds two "
        "coordinates still, a plane holds one.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
