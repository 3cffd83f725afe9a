"""03.2: who can have heard whom."""

from __future__ import annotations

import numpy as np
import torch

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style


def heard(tables):
    """tables (k, l, l) bool, one an attention, in their order -> (l, l) bool: the row can have heard the column."""
    reached = torch.eye(tables.shape[-1], dtype=torch.bool)
    for looks in tables:
        taken = looks.float() @ reached.float() > 0
        reached = reached | taken  # the residual: a token keeps what it has
    return reached


def attentions_until_all(tables):
    """The tables in turn, again and again: after how many attentions has everyone heard everyone? -1: never."""
    l = tables.shape[-1]
    known = torch.eye(l, dtype=torch.bool)
    for count in range(len(tables) * l + 1):
        if known.all():
            return count
        step = heard(tables[count % len(tables)][None])  # this attention alone
        known = step.float() @ known.float() > 0
    return -1


def sparse(rng: np.random.Generator, k: int, l: int, share: float) -> np.ndarray:
    """Tables that nobody would use: one-sided, with rows that look at nobody."""
    return rng.random((k, l, l)) < share


def chain(l: int, ahead: bool = False) -> np.ndarray:
    """Each token looks at the one before it (or after it)."""
    return np.eye(l, k=1 if ahead else -1, dtype=bool)


def cases(rng: np.random.Generator) -> list[Case]:
    l = int(rng.choice([9, 11]))
    odd, long = int(rng.choice([5, 7])), int(rng.choice([12, 14]))
    ring = chain(odd) | chain(odd).T
    ring[0, -1] = ring[-1, 0] = True
    even = np.zeros((long, long), bool)
    for i in range(0, long - 1, 2):
        even[i, i + 1] = even[i + 1, i] = True
    uneven = np.zeros((long, long), bool)
    for i in range(1, long - 1, 2):
        uneven[i, i + 1] = uneven[i + 1, i] = True
    one_way = chain(4)
    one_way[0, 3] = True
    slow = listed(4, [(0, 0), (2, 0)], [(0, 3), (1, 2), (3, 0), (3, 1)], [(3, 0), (3, 2), (3, 3)])
    places = np.arange(6)
    tubes, frames = places[:, None] % 3 == places % 3, places[:, None] // 3 == places // 3  # 2 frames of 3 places
    pair = "row hears, column is heard"
    count = "a whole number"
    return [
        Case("one attention", "heard", {"tables": sparse(rng, 1, 6, 0.3)}, "keys, and the token itself", axes=pair),
        Case("two attentions", "heard", {"tables": np.stack([chain(5), chain(5, ahead=True)])},
             "the second passes on what the first has brought", axes=pair),
        Case("three attentions", "heard", {"tables": sparse(rng, 3, l, 0.15)}, "any tables", axes=pair),
        Case("nobody looks", "heard", {"tables": np.zeros((2, 4, 4), bool)}, "without looks everyone knows itself",
             axes=pair),
        Case("one token", "heard", {"tables": np.zeros((1, 1, 1), bool)}, "a table of one is a table", axes=pair),
        Case("tubes, then frames", "attentions_until_all", {"tables": np.stack([tubes, frames])},
             "one turn is enough, though nobody looks at everyone", axes=count),
        Case("three tables", "attentions_until_all", {"tables": slow}, "looks go one way, and the order tells",
             axes=count),
        Case("nothing at first", "attentions_until_all", {"tables": np.stack([np.eye(5), np.ones((5, 5))]) > 0},
             "an attention that brings nothing is followed by another", axes=count),
        Case("a ring", "attentions_until_all", {"tables": ring[None]}, "news goes round both ways", axes=count),
        Case("neighbours in turn", "attentions_until_all", {"tables": np.stack([even, uneven])},
             "windows of two, shifted in turn", axes=count),
        Case("near and far in turn", "attentions_until_all",
             {"tables": np.stack([chain(9) | chain(9, ahead=True), np.eye(9, k=3) + np.eye(9, k=-3) > 0])},
             "every second attention looks far", axes=count),
        Case("one way round", "attentions_until_all", {"tables": one_way[None]}, "looks go one way only", axes=count),
        Case("two worlds", "attentions_until_all",
             {"tables": np.kron(np.eye(2), np.ones((3, 3))).astype(bool)[None].repeat(2, axis=0)},
             "groups that never change never meet", axes=count),
        Case("one deaf token", "attentions_until_all", {"tables": chain(odd)[None]},
             "the first token looks at nobody, so it never hears", axes=count),
        Case("a single token", "attentions_until_all", {"tables": np.ones((1, 1, 1), bool)}, "nothing to wait for",
             axes=count),
    ]


def listed(l: int, *tables: list[tuple[int, int]]) -> np.ndarray:
    """Tables of the pairs that may look."""
    out = np.zeros((len(tables), l, l), bool)
    for table, pairs in zip(out, tables, strict=True):
        for q, k in pairs:
            table[q, k] = True
    return out


def oracle_heard(tables: np.ndarray) -> np.ndarray:
    """Sets of names, handed on."""
    known = [{i} for i in range(tables.shape[-1])]
    for looks in tables:
        known = [set.union(known[q], *(known[k] for k in range(len(known)) if looks[q, k])) for q in range(len(known))]
    return np.array([[k in names for k in range(len(known))] for names in known])


def oracle(case: Case) -> np.ndarray | int:
    tables = case.inputs["tables"]
    if case.function == "heard":
        return oracle_heard(tables)
    for count in range(len(tables) * tables.shape[-1] + 1):
        turns = [tables[i % len(tables)] for i in range(count)]
        if oracle_heard(np.array(turns, bool).reshape(-1, *tables.shape[1:])).all():
            return count
    return -1


def forgets_itself(inputs, out: np.ndarray) -> str | None:
    lost = [i for i in range(len(out)) if not out[i, i]]
    if not lost:
        return None
    return (f"in your answer token {lost[0]} has not heard itself, and it knew itself from the start. A residual adds "
            "what an attention brings; nothing is ever lost.")


MUTANTS = (
    Mutant("residual forgotten", (("reached = reached | taken", "reached = taken"),),
           "You left the residual out: after an attention a token holds what its keys knew, *and* what it had itself."),
    Mutant("order reversed", (("looks.float() @ reached.float()", "reached.float() @ looks.float()"),),
           "Your attentions run in the wrong order. What the first one brings is there when the second one looks, so "
           "new attentions multiply from the left: looks @ reached, table after table."),
    Mutant("all at once", (("for looks in tables:", "for looks in tables.any(dim=0)[None]:"),),
           "You joined all tables into one attention. Then nobody can pass on what another attention has just brought: "
           "that is what heads of one attention do, not attentions in a row."),
    Mutant("the first attention alone", (("for looks in tables:", "for looks in tables[:1]:"),),
           "You used the first table only. Every table is one more attention on top of what has been heard."),
    Mutant("looked at for looks", (("looks.float() @", "looks.T.float() @"),),
           "You read the tables the other way: the row looks, the column is looked at. News flows from the column to "
           "the row."),
    Mutant("columns hear", (("return reached", "return reached.T"),),
           "Your answer is turned over: the row has heard, the column was heard. With mutual looks nobody would "
           "notice."),
    Mutant("one route only", (("reached.float() > 0", "reached.float() == 1"),),
           "You kept pairs with exactly one route. The product counts routes, and more than one is no less: ask for "
           "> 0."),
    Mutant("oneself taken away", (("return reached",
                                   "return reached & ~torch.eye(tables.shape[-1], dtype=torch.bool)"),),
           "You took the tokens themselves out at the end. Everyone has heard itself, after nothing at all."),
    Mutant("whole turns counted", (("return count", "return count // len(tables)"),),
           "You counted turns through all the tables. Asked for are attentions: two tables in turn are two a turn."),
    Mutant("one too many", (("return count", "return count + 1"),),
           "You are one attention too late: look whether everyone has heard everyone *before* the next attention is "
           "added. A single token needs none."),
    Mutant("gives up after one turn", (("range(len(tables) * l + 1)", "range(len(tables) + 1)"),),
           "You stop after one turn through the tables and say never. They are used again and again; news may need "
           "up to l - 1 turns."),
    Mutant("one table only", (("tables[count % len(tables)]", "tables[0]"),),
           "You used the first table in every attention. They take turns: attention number i has the table i % k."),
    Mutant("the last token asked", (("known.all()", "known[-1].all()"),),
           "You asked one token whether it has heard everyone. Everyone has to: look at the whole table."),
    Mutant("never as a number", (("return -1", "return len(tables) * l"),),
           "For tables that never bring everyone together you give a number of attentions. Say -1: some reach never "
           "grows full, however deep the model is."),
)


def heard_by_powers(tables):
    eye = torch.eye(tables.shape[-1], dtype=torch.float64)
    total = eye
    for one in tables:
        total = (torch.clamp(one.double() + eye, max=1) @ total).clamp(max=1)
    return total > 0.5


def heard_by_sets(tables):
    known = [{i} for i in range(tables.shape[-1])]
    for one in tables.tolist():
        known = [known[q].union(*(known[k] for k, yes in enumerate(line) if yes)) for q, line in enumerate(one)]
    return torch.tensor([[k in names for k in range(len(known))] for names in known])


def until_by_recomputing(tables):
    k, l, _ = tables.shape
    for count in range(k * l + 1):
        if heard_by_powers(tables[[i % k for i in range(count)]]).all():
            return count
    return -1


def until_nothing_new(tables):
    eye = torch.eye(tables.shape[-1], dtype=torch.bool)
    known, count, quiet = eye, 0, 0
    while not bool(known.all()):
        if quiet == len(tables):
            return -1
        step = (tables[count % len(tables)] | eye).int() @ known.int() > 0
        quiet = quiet + 1 if torch.equal(step, known) else 0
        known, count = step, count + 1
    return count


STYLES = (
    Style("powers", {"heard": heard_by_powers, "attentions_until_all": until_by_recomputing}),
    Style("sets, until nothing is new", {"heard": heard_by_sets, "attentions_until_all": until_nothing_new}),
)

EXERCISE = Exercise(
    id="03.2",
    title="Who can have heard whom",
    difficulty=3,
    minutes=12,
    points=20,
    why="what a wiring does not reach, no training can bring. This product says so before an hour is spent.",
    objectives=("compute reach as a boolean product, residual included",
                "say how many attentions a wiring needs, and when no number is enough"),
    answer=(heard, attentions_until_all),
    cases=cases,
    oracle=oracle,
    differentiable=False,
    properties=(Property("nothing is forgotten", "heard", forgets_itself),),
    hints=(
        "At the start everyone knows itself: the identity. After one attention a token knows what it knew, and what "
        "each of its keys knew before.",
        "If token q looks at r, and r has heard k, then q has heard k: over all r that is a matrix product of zeros "
        "and ones, looks @ reached, and > 0. Then | with what there was.",
        "Until all: look first, then add one attention, tables[count % len(tables)]. If nothing is complete after "
        "len(tables) * l attentions, it never will be.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
