"""06.3: what shifted windows need besides the roll: the mask, and the table rows of relative positions."""

from __future__ import annotations

import numpy as np
import torch

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make
from videoformer_edu.sheets.s06_sparse_and_windowed import partition
from videoformer_edu.sheets.s06_sparse_and_windowed.partition import to_windows


def regions(size, inside, shift):
    """(size,) whole numbers: after a roll by shift, 0 up to the last window, 1 in it, 2 for what came in at the end."""
    place = torch.arange(size)
    return (place >= size - inside).long() + (place >= size - shift).long()


def shift_mask(grid, window, shift):
    """(windows, n, n) bool, True = may look: after the roll, in windows; grid (t, h, w) is a multiple of the window."""
    t, h, w = (regions(*axis) for axis in zip(grid, window, shift, strict=True))
    number = (t[:, None, None] * 3 + h[:, None]) * 3 + w  # (t, h, w): which piece of the clip a token belongs to
    number = to_windows(number.reshape(1, -1, 1), grid, window)[0, :, :, 0]  # (windows, n)
    return number[:, :, None] == number[:, None]


def relative_index(window):
    """(n, n) whole numbers from 0 on: the row of the bias table for query (row) minus key (column), time slowest."""
    t, h, w = torch.meshgrid(*(torch.arange(size) for size in window), indexing="ij")
    index = 0
    for place, size in zip((t.flatten(), h.flatten(), w.flatten()), window, strict=True):
        index = index * (2 * size - 1) + place[:, None] - place[None] + size - 1
    return index


def cases(rng: np.random.Generator) -> list[Case]:
    inside = int(rng.integers(3, 6))
    t, h, w = map(int, rng.permutation([1, 2, 3]))
    axes, index = "window, query, key", "query, key"
    return [
        Case("two windows of four", "regions", {"size": 8, "inside": 4, "shift": 2}, "0 0 0 0 1 1 2 2"),
        Case("no shift", "regions", {"size": 6, "inside": 3, "shift": 0}, "nothing came in"),
        Case("any line", "regions", {"size": 3 * inside, "inside": inside, "shift": int(rng.integers(1, inside))},
             "any size"),
        Case("nothing rolled", "shift_mask", {"grid": (2, 4, 6), "window": (1, 2, 3), "shift": (0, 0, 0)},
             "without a shift everybody in a window may look at everybody", axes=axes),
        Case("along columns", "shift_mask", {"grid": (1, 2, 8), "window": (1, 2, 4), "shift": (0, 0, 1)},
             "only the last window is in pieces", axes=axes),
        Case("in time", "shift_mask", {"grid": (6, 2, 2), "window": (3, 2, 1), "shift": (1, 0, 0)},
             "the last steps and the first do not look at each other", axes=axes),
        Case("on every axis", "shift_mask", {"grid": (4, 6, 4), "window": (2, 3, 4), "shift": (1, 2, 1)},
             "the last window of all is in eight pieces", share=2, axes=axes),
        Case("any shift", "shift_mask", {"grid": (2 * t, 4 * h, 6 * w), "window": (2, 2, 3),
                                         "shift": (int(rng.integers(0, 2)), 1, int(rng.integers(1, 3)))},
             "any size", axes=axes),
        Case("one token", "relative_index", {"window": (1, 1, 1)}, "one distance: row 0", axes=index),
        Case("a row of tokens", "relative_index", {"window": (1, 1, 5)}, "from 4 places ahead to 4 behind", axes=index),
        Case("a square", "relative_index", {"window": (1, 2, 2)}, "nine distances for sixteen pairs", axes=index),
        Case("any window", "relative_index", {"window": make.sizes(rng, (2, 3), (3, 4, 5), (2, 4))},
             "time slowest, columns fastest", share=2, axes=index),
    ]


def oracle(case: Case) -> np.ndarray:
    """Where was each token before the roll, and in which of the shifted windows?"""
    given = case.inputs
    if case.function == "regions":
        size, inside, shift = given["size"], given["inside"], given["shift"]
        return np.array([2 if place + shift >= size else 1 if place >= size - inside else 0 for place in range(size)])
    window = given["window"]
    if case.function == "relative_index":
        places = [(t, h, w) for t in range(window[0]) for h in range(window[1]) for w in range(window[2])]
        rows, made = {}, []
        for dt in range(1 - window[0], window[0]):
            for dh in range(1 - window[1], window[1]):
                for dw in range(1 - window[2], window[2]):
                    rows[dt, dh, dw] = len(rows)
        for q in places:
            made.append([rows[tuple(a - b for a, b in zip(q, k, strict=True))] for k in places])
        return np.array(made)
    grid, shift = given["grid"], given["shift"]
    held: dict[tuple, list] = {}
    for t in range(grid[0]):
        for h in range(grid[1]):
            for w in range(grid[2]):
                which = tuple(place // inside for place, inside in zip((t, h, w), window, strict=True))
                old = [(place + moved) % size for place, moved, size in zip((t, h, w), shift, grid, strict=True)]
                own = tuple((place - moved) // inside for place, moved, inside in zip(old, shift, window, strict=True))
                held.setdefault(which, []).append(own)
    return np.array([[[a == b for b in tokens] for a in tokens] for tokens in held.values()])


def not_all(given, out: np.ndarray) -> str | None:
    if out.all():
        return None
    return f"nothing was rolled, so nothing is to be masked, and {int((~out.astype(bool)).sum())} pairs may not look."


def blind(given, out: np.ndarray) -> str | None:
    own = np.diagonal(out, axis1=1, axis2=2)
    if own.all():
        return None
    return (f"{int((~own.astype(bool)).sum())} tokens may not look at themselves; a row without a key is nan. "
            "True means that a token *may* look.")


MASK = "return number[:, :, None] == number[:, None]"
INDEX = "index = index * (2 * size - 1) + place[:, None] - place[None] + size - 1"

MUTANTS = (
    Mutant("True is blocked", ((MASK, "return number[:, :, None] != number[:, None]"),),
           "Your mask is the other way round. Here True = may look, as in scaled_dot_product_attention; "
           "nn.MultiheadAttention means the opposite."),
    Mutant("nothing masked", ((MASK, "return number[:, :, None] == number[:, :, None] + 0 * number[:, None]"),),
           "Your mask lets everybody look at everybody. After the roll the last window of an axis holds both ends of "
           "the clip."),
    Mutant("two pieces", (("(place >= size - inside).long() + (place >= size - shift).long()",
                           "(place >= size - shift).long()"),),
           "You tell what came in at the end from the rest, and 0 and 1 not apart. The last window alone is cut; asked "
           "for are three numbers: before it, in it, came in."),
    Mutant("the first window for the last", (("(place >= size - inside).long()", "(place >= inside).long()"),),
           "You give 1 to everything behind the *first* window. It belongs to the last one: place >= size - inside."),
    Mutant("pieces of the other side", (("(place >= size - shift)", "(place < shift)"),),
           "You mark the first places as what came in. The roll moves everything to the front, so what came in stands "
           "at the end: place >= size - shift."),
    Mutant("off by one", (("(place >= size - shift)", "(place > size - shift)"),),
           "Your last piece is a token too short: places from size - shift on came in, that one included."),
    Mutant("window for shift", (("(place >= size - shift)", "(place >= size - inside + shift)"),),
           "Your cut lies shift tokens behind the beginning of the last window. It lies shift tokens before its end: "
           "so many came in."),
    Mutant("sum of pieces", (("(t[:, None, None] * 3 + h[:, None]) * 3 + w", "t[:, None, None] + h[:, None] + w"),),
           "You add the numbers of the three axes, so (1, 0) and (0, 1) look the same. Each axis needs a place of its "
           "own: 9 t + 3 h + w."),
    Mutant("time forgotten", (("(t[:, None, None] * 3 + h[:, None]) * 3 + w",
                               "(0 * t[:, None, None] + h[:, None]) * 3 + w"),),
           "You cut rows and columns and not the time axis. The last steps and the first ones stand side by side too."),
    Mutant("key minus query", ((INDEX, INDEX.replace("place[:, None] - place[None]", "place[None] - place[:, None]")),),
           "Your distances are key minus query. The table is made for query minus key, row minus column."),
    Mutant("distance without sign", ((INDEX, INDEX.replace("place[:, None] - place[None] + size - 1",
                                                           "(place[:, None] - place[None]).abs()")),),
           "You take the distance without its sign: left and right share a row. Their biases differ; add size - 1 "
           "instead, so that the least is 0."),
    Mutant("not moved to 0", ((INDEX, INDEX.replace(" + size - 1", "")),),
           "Your index is negative for some pairs, and a negative index counts rows from the end. Add size - 1 on each "
           "axis."),
    Mutant("size for 2 size - 1", ((INDEX, INDEX.replace("(2 * size - 1)", "size")),),
           "Along an axis of n places there are 2n - 1 distances, and you leave room for n: different distances "
           "get the same row, as in the flattened sequence."),
    Mutant("factors in the other order", ((
        "zip((t.flatten(), h.flatten(), w.flatten()), window, strict=True):",
        "zip((w.flatten(), h.flatten(), t.flatten()), window[::-1], strict=True):"),),
           "You count columns slowest. The rows of the table run over time, then rows, then columns, as tokens do."),
    Mutant("counted from 1", ((INDEX, INDEX.replace("+ size - 1", "+ size")),),
           "Your rows are too high: the least distance on an axis is 1 - size, so add size - 1 and it is row 0."),
)


def regions_by_slices(size, inside, shift):
    out = torch.zeros(size, dtype=torch.long)
    out[size - inside:] = 1
    out[size - shift:] = 2
    return out if shift else torch.where(out == 2, 1, out)


def mask_by_counting(grid, window, shift):
    """As the published code: number the pieces in a loop, then compare differences with 0."""
    number, count = torch.zeros(1, *grid, 1, dtype=torch.float32), 0
    pieces = [[slice(0, size - inside), slice(size - inside, size - moved), slice(size - moved, size)]
              for size, inside, moved in zip(grid, window, shift, strict=True)]
    for a in pieces[0]:
        for b in pieces[1]:
            for c in pieces[2]:
                number[:, a, b, c] = count
                count += 1
    number = to_windows(number.reshape(1, -1, 1), grid, window)[0, ..., 0]
    return (number[:, None] - number[:, :, None]) == 0


def mask_from_the_pattern(grid, window, shift):
    """Roll the places of the clip, and ask in which shifted window each of them was."""
    own = [(torch.arange(size) - moved).div(inside, rounding_mode="floor").roll(-moved)
           for size, inside, moved in zip(grid, window, shift, strict=True)]
    box = torch.stack([axis.expand(grid) for axis in (own[0][:, None, None], own[1][:, None], own[2])], dim=-1)
    held = to_windows(box.reshape(1, -1, 3), grid, window)[0]
    return (held[:, :, None] == held[:, None]).all(-1)


def index_by_loops(window):
    n = window[0] * window[1] * window[2]
    out = torch.zeros(n, n, dtype=torch.long)
    for q in range(n):
        for k in range(n):
            row, left, right, inner = 0, q, k, n
            for size in window:
                inner //= size
                row = row * (2 * size - 1) + left // inner - right // inner + size - 1
                left, right = left % inner, right % inner
            out[q, k] = row
    return out


def index_as_published(window):
    place = torch.stack(torch.meshgrid(*(torch.arange(size) for size in window), indexing="ij")).flatten(1)
    apart = place[:, :, None] - place[:, None] + torch.tensor(window)[:, None, None] - 1
    factors = torch.tensor([(2 * window[1] - 1) * (2 * window[2] - 1), 2 * window[2] - 1, 1])
    return (apart * factors[:, None, None]).sum(0)


STYLES = (
    Style("as published", {"shift_mask": mask_by_counting, "relative_index": index_as_published}),
    Style("slices and loops", {"regions": regions_by_slices, "relative_index": index_by_loops}),
    Style("from the pattern", {"shift_mask": mask_from_the_pattern}),
    Style("factors of two", edits=(("(t[:, None, None] * 3 + h[:, None]) * 3 + w",
                                    "(t[:, None, None] * 2 + h[:, None]) * 2 + w"),)),  # no window holds 0 and 2
)

EXERCISE = Exercise(
    id="06.3",
    title="The mask of the shift, and relative positions",
    difficulty=4,
    minutes=16,
    points=25,
    why="without the mask both ends of the clip look at each other, and nothing fails. The index is the part of Swin "
        "that ports get wrong most quietly.",
    objectives=("mask what only the roll has put side by side", "find the bias of every pair by its distance"),
    answer=(regions, shift_mask, relative_index),
    needs=(partition.EXERCISE,),
    cases=cases,
    oracle=oracle,
    differentiable=False,
    properties=(Property("a token sees itself", "shift_mask", blind),
                Property("nothing rolled, nothing masked", "shift_mask", not_all, ("nothing rolled",))),
    hints=(
        "One axis first: 8 places, windows of 4, a shift of 2. After the roll the places 2 3 4 5 6 7 0 1 stand side by "
        "side. Which of the last four belong together, and which did the roll bring?",
        "Number the pieces of the three axes together: 9 t + 3 h + w is different for every combination. Send these "
        "numbers through your own to_windows, as tokens of width 1, and compare all with all in each window.",
        "relative_index: places t, h, w of the n tokens from torch.meshgrid; on each axis the difference query minus "
        "key plus size - 1; together ((dt) * (2h - 1) + dh) * (2w - 1) + dw.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
