"""What is right in sheet 03: loops over pairs of tokens, sets of what each token knows, and many sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch

from tests.sheets.adversary import answers_03_3
from tests.sheets.adversary.truth_01 import attend
from tests.sheets.adversary.truth_04 import weights_of
from tests.sheets.adversary.workshop import Answer


def place(token, h, w):
    return token // (h * w), token // w % h, token % w


def axial_attention(x, weights, heads, t, h, w, axis):
    d = x.shape[2]
    e, along = d // heads, "thw".index(axis)
    out = np.empty_like(x)
    qkv = x @ weights["attention.qkv.weight"].T + weights["attention.qkv.bias"]
    for query in range(t * h * w):
        mine = place(query, h, w)
        line = [
            k
            for k in range(t * h * w)
            if all(a == b for i, (a, b) in enumerate(zip(mine, place(k, h, w), strict=True)) if i != along)
        ]
        for a in range(heads):
            q, k, v = (qkv[:, :, part * d + a * e : part * d + a * e + e] for part in range(3))
            out[:, query, a * e : a * e + e] = attend(q[:, query : query + 1], k[:, line], v[:, line])[:, 0]
    return out @ weights["attention.proj.weight"].T + weights["attention.proj.bias"]


def factorised_heads(x, weights, heads, t):
    d, n = x.shape[2], x.shape[1] // t
    e = d // heads
    out = np.empty_like(x)
    qkv = x @ weights["attention.qkv.weight"].T + weights["attention.qkv.bias"]
    for query in range(t * n):
        for a in range(heads):
            q, k, v = (qkv[:, :, part * d + a * e : part * d + a * e + e] for part in range(3))
            group = [i for i in range(t * n) if (i % n == query % n if a < heads // 2 else i // n == query // n)]
            out[:, query, a * e : a * e + e] = attend(q[:, query : query + 1], k[:, group], v[:, group])[:, 0]
    return out @ weights["attention.proj.weight"].T + weights["attention.proj.bias"]


RULES = {
    "spatial": lambda p, q: p[0] == q[0],
    "temporal": lambda p, q: p[1:] == q[1:],
    "axial": lambda p, q, axis: all(p[i] == q[i] for i in range(3) if "thw"[i] != axis),
    "window": lambda p, q, size, shift: all(
        math.floor((a - f) / s) == math.floor((b - f) / s) for a, b, s, f in zip(p, q, size, shift, strict=True)
    ),
    "strided": lambda p, q, stride: p[1:] == q[1:] and abs(p[0] - q[0]) % stride == 0,
}


def table(function: str, args: tuple) -> Callable[[object], str | None]:
    t, h, w, *rest = args
    spots = [place(i, h, w) for i in range(t * h * w)]
    want = torch.tensor([[RULES[function](p, q, *rest) for q in spots] for p in spots])
    return lambda got: None if is_table(got, want) else f"{function}{args}: not the table"


def is_table(got: object, want: torch.Tensor) -> bool:
    return type(got) is torch.Tensor and got.dtype == torch.bool and got.shape == want.shape and not (got != want).any()


def spread(tables: torch.Tensor) -> list[set[int]]:
    known = [{i} for i in range(tables.shape[-1])]
    for looks in tables.tolist():
        known = [known[i].union(*(known[j] for j, seen in enumerate(row) if seen)) for i, row in enumerate(looks)]
    return known


def heard(function: str, args: tuple) -> Callable[[object], str | None]:
    known = spread(args[0])
    want = torch.tensor([[j in one for j in range(len(known))] for one in known])
    return lambda got: None if is_table(got, want) else f"{function}: not the table"


def until(function: str, args: tuple) -> Callable[[object], str | None]:
    tables, want = args[0], -1
    for count in range(len(tables) * (tables.shape[1] + 1) + 1):
        if all(len(one) == tables.shape[1] for one in spread(tables[torch.arange(count) % len(tables)])):
            want = count
            break
    return lambda got: None if type(got) is int and got == want else f"{function}: {str(got)[:30]}, expected {want}"


def wiring(function: str, args: tuple) -> Callable[[object], str | None]:
    t, h, w, attentions, budget = args

    def judge(got: object) -> str | None:
        if type(got) is not torch.Tensor or got.dtype != torch.bool or got.shape != (attentions, t * h * w, t * h * w):
            return f"{function}: not {attentions} tables"
        if int(got.sum()) > budget:
            return f"{function}: over the budget"
        return None if all(len(one) == t * h * w for one in spread(got)) else f"{function}: not everyone"

    return judge


ORACLES = {"axial_attention": axial_attention, "factorised_heads": factorised_heads}
REFERENCE = Answer("reference", answers_03_3.BASE).functions()
EXACT = {**dict.fromkeys(RULES, table), "heard": heard, "attentions_until_all": until, "wiring": wiring}
GRIDS = [(2, 3, 4), (2, 2, 2), (3, 2, 2), (1, 3, 5), (4, 1, 3), (5, 2, 1), (1, 1, 1), (6, 3, 2), (2, 5, 3), (7, 2, 3),
    (3, 4, 4)]


def cases(exercise: str, seed: int = 0) -> Iterator[tuple[str, tuple]]:
    rng = np.random.default_rng([seed, int(exercise[-1]), 303])
    for number, (t, h, w) in enumerate(GRIDS):
        l = t * h * w
        if exercise == "03.1":
            yield "spatial", (t, h, w)
            yield "temporal", (t, h, w)
            yield from (("axial", (t, h, w, axis)) for axis in "thw")
            yield from (("strided", (t, h, w, stride)) for stride in (1, 2, 3, 5))
            size = tuple(int(s) for s in rng.integers(1, 4, 3))
            yield "window", (t, h, w, size, (0, 0, 0))
            yield "window", (t, h, w, size, tuple(int(rng.integers(0, s)) for s in size))
            yield "window", (t, h, w, (2, 3, 4), (1, 2, 3))
        elif exercise == "03.2":
            for density in (0.05, 0.15, 0.4):
                tables = torch.from_numpy(rng.random((1 + number % 3, l, l)) < density)
                yield "heard", (tables,)
                yield "attentions_until_all", (tables,)
        elif exercise == "03.3":
            heads, e = (2, 4, 2, 6)[number % 4], (3, 2, 1)[number % 3]
            weights = weights_of(rng, heads * e, ("other", "attention"))
            x = torch.from_numpy(rng.normal(0, 1, (1 + number % 3, l, heads * e))).float()
            yield from (("axial_attention", (x, weights, heads, t, h, w, axis)) for axis in "thw")
            yield "axial_attention", (x, weights, heads * e, t, h, w, "thw"[number % 3])
            yield "axial_attention", (x * 1.5, weights_of(rng, heads * e, ("attention",)), heads, t, h, w, "h")
            yield "factorised_heads", (x, weights, heads, t)
            yield "factorised_heads", (x * 1.5, weights_of(rng, heads * e, ("attention",)), heads, t)
        else:
            best = {1: l * l, 2: min(l * (a + l // a) for a in (t, h, w)), 3: l * (t + h + w)}
            yield from (("wiring", (t, h, w, k, best[k])) for k in (1, 2, 3))
    if exercise == "03.2":
        n = torch.arange(258)  # token 257 hears of token 0 from 256 others, and 256 is 0 in eight bits
        many = (n[:, None] > 0) & (n[:, None] < 257) & (n[None] == 0)
        yield "heard", (torch.stack([many, (n[:, None] == 257) & (n[None] > 0)]),)
        line = (n[:, None] - n[None]).abs()[:14, :14] <= 1
        yield "attentions_until_all", (line[None],)
        yield "attentions_until_all", (torch.stack([line.tril(), line.triu()]),)
        idle = torch.eye(14, dtype=torch.bool)
        yield "attentions_until_all", (torch.stack([idle, line, idle, idle]),)
        yield "attentions_until_all", (line.tril()[None],)
        yield "attentions_until_all", (torch.zeros(1, 1, 1, dtype=torch.bool),)
        yield "heard", (torch.stack([line.tril(), line.triu(1), idle & False]),)
    if exercise == "03.4":
        yield from (("wiring", (2, 9, 2, k, b)) for k, b in ((1, 36**2), (2, 36 * 13), (3, 36 * 13)))
        yield from (("wiring", (2, 2, 9, k, b)) for k, b in ((1, 36**2), (2, 36 * 13), (3, 36 * 13)))
