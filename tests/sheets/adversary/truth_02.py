"""What is right in sheet 02: counted box by box and product by product, in whole numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

ORACLES: dict = {}
REFERENCE: dict = {}


def product(rows, inner, columns):
    return rows * inner * columns


def attention(groups, l, d):
    return groups * (4 * product(l, d, d) + product(l, d, l) + product(l, l, d))


def block_of(kind, t, n, d):
    mlp = 2 * product(t * n + 1, d, 4 * d)
    if kind == "joint":
        return attention(1, t * n + 1, d) + mlp
    return attention(n, t, d) + product(t * n, d, d) + attention(t, n + 1, d) + mlp


def clip_macs(kind, t, n, d, depth, views):
    return views * (product(t * n, 16 * 16 * 3, d) + depth * block_of(kind, t, n, d) + product(1, d, 400))


def parameters(d, depth):
    shapes = [(d, 768), (d,), (d,), (d,), (400, d), (400,)]
    block = (
        [(d,)] * 6 + [(3 * d, d), (3 * d,), (d, d), (d,)] * 2 + [(d, d), (d,), (4 * d, d), (4 * d,), (d, 4 * d), (d,)]
    )
    return int(sum(np.prod(s, dtype=np.int64) for s in shapes + block * depth))


def steps(length, size):
    return sum(1 for start in range(0, length, size) if start + size <= length)


def whole(want: object) -> Callable[[str, tuple], Callable[[object], str | None]]:
    def make(function: str, args: tuple) -> Callable[[object], str | None]:
        right = want(*args)

        def judge(got: object) -> str | None:
            if isinstance(right, float):
                return None if isinstance(got, float) and abs(got - right) < 1e-9 else f"{function}: {str(got)[:30]}"
            many = isinstance(right, tuple)
            if many and not isinstance(got, (tuple, list)):
                return f"{function}: no tuple"
            flat, wants = (list(got), list(right)) if many else ([got], [right])
            kind = all(isinstance(g, (int, float, np.integer)) and type(g) is not bool for g in flat)
            return None if kind and flat == wants else f"{function}{args}: {str(got)[:40]}"

        return judge

    return make


def grid_of(frames, height, width, patch, tubelet):
    return steps(frames, tubelet), steps(height, patch), steps(width, patch)


EXACT = {
    "grid_of": whole(grid_of),
    "tokens_of": whole(lambda *a: int(np.prod(grid_of(*a)))),
    "unseen": whole(lambda f, h, w, p, s: f * h * w - int(np.prod(grid_of(f, h, w, p, s))) * s * p * p),
    "pairs": whole(
        lambda t, h, w: (
            (t * h * w) ** 2,
            t * (h * w) ** 2,
            h * w * t * t,
            h * w * t * t + t * w * h * h + t * h * w * w,
        )
    ),
    "block_macs": whole(lambda l, looks, d, r: 4 * product(l, d, d) + 2 * looks * d + 2 * product(l, d, r * d)),
    "share_of_pairs": whole(lambda l, d, r: 2 * l * l * d / (4 * l * d * d + 2 * l * l * d + 2 * l * d * r * d)),
    "score_bytes": whole(lambda b, heads, l, size: b * heads * l * l * size),
    "kept_numbers": whole(lambda l, d, hidden: 2 * l * d + 3 * l * d + l * d + 2 * l * d + 2 * l * hidden),
    "training_bytes": whole(
        lambda depth, l, d, hidden, size, spare: (
            size * (depth * l * d + 8 * l * d + 2 * l * hidden if spare else depth * (8 * l * d + 2 * l * hidden))
        )
    ),
    "block_of": whole(block_of),
    "clip_macs": whole(clip_macs),
    "parameters": whole(parameters),
    "crossing": whole(
        lambda n, d, depth: next(
            t for t in range(1, 10**6) if block_of("divided", t, n, d) < block_of("joint", t, n, d)
        )
    ),
    "longest_clip": whole(
        lambda budget, kind, n, d, depth: next(
            t for t in range(10**6) if clip_macs(kind, t + 1, n, d, depth, 1) > budget
        )
    ),
}


def cases(exercise: str, seed: int = 0) -> Iterator[tuple[str, tuple]]:
    rng = np.random.default_rng([seed, int(exercise[-1]), 202])

    def draw(*bounds):
        return tuple(int(rng.integers(low, high)) for low, high in bounds)

    for number in range(24):
        if exercise == "02.1":
            clip = [
                (9, 32, 48, 8, 2),
                (8, 224, 224, 16, 1),
                (32, 224, 224, 16, 2),
                (1, 5, 7, 8, 1),
                (3, 100, 100, 16, 4),
                (4, 16, 16, 16, 3),
            ]
            args = clip[number] if number < 6 else draw((1, 40), (1, 300), (1, 300), (1, 20), (1, 6))
            yield from ((name, args) for name in ("grid_of", "tokens_of", "unseen"))
        elif exercise == "02.2":
            yield (
                "pairs",
                (1, 1, 1) if not number else draw((1, 40), (1, 30), (1, 30)) if number > 1 else (2000, 400, 300),
            )
            yield "block_macs", draw((1, 5000), (1, 10**7), (1, 2000), (1, 7))
            yield "share_of_pairs", draw((1, 20_000), (1, 2000), (1, 7))
        elif exercise == "02.3":
            yield "score_bytes", draw((1, 9), (1, 17), (1, 30_000), (1, 9))
            yield "kept_numbers", draw((1, 3000), (1, 1500), (1, 5000))
            yield from (
                ("training_bytes", (*draw((1, 40), (1, 3000), (1, 1500), (1, 5000), (1, 9)), spare))
                for spare in (False, True)
            )
        else:
            kind = ("joint", "divided")[number % 2]
            t, n, d, depth, views = draw((1, 40), (2, 300), (1, 1500), (1, 30), (1, 11))
            yield "block_of", (kind, t, n, d)
            yield "clip_macs", (kind, t, n, d, depth, views)
            yield "parameters", (d, depth)
            yield "crossing", (max(n, 20), d, depth)
            budget = clip_macs(kind, t, n, d, depth, 1)
            yield from (("longest_clip", (budget + more, kind, n, d, depth)) for more in (0, -1, budget // 3))
            yield "longest_clip", (clip_macs(kind, 1, n, d, depth, 1) - 1, kind, n, d, depth)
    if exercise == "02.4":
        yield "crossing", (196, 768, 12)
        yield "crossing", (5, 300, 2)
        yield "crossing", (22, 16, 3)  # three frames cost the same
        yield "longest_clip", (clip_macs("divided", 150, 40, 20, 3, 1), "divided", 40, 20, 3)
