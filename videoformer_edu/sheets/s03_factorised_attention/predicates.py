"""03.1: patterns as predicates: who may look at whom."""

from __future__ import annotations

import numpy as np
import torch

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style


def places(t, h, w):
    """Frame, row and column of every token, three (l,) tensors of whole numbers; time slowest (given)."""
    number = torch.arange(t * h * w)
    return number // (h * w), number // w % h, number % w


def same(value):
    """(l,) -> (l, l) bool: the token of the row and that of the column hold the same value (given)."""
    return value[:, None] == value[None]


def spatial(t, h, w):
    """(l, l) bool, row looks at column: tokens of the same frame."""
    frame, _, _ = places(t, h, w)
    return same(frame)


def temporal(t, h, w):
    """(l, l) bool: tokens at the same place, in all frames."""
    _, row, column = places(t, h, w)
    return same(row) & same(column)


def axial(t, h, w, axis):
    """(l, l) bool: the line along one axis, "t", "h" or "w", through the token's own place."""
    coordinates = dict(zip("thw", places(t, h, w), strict=True))
    coordinates.pop(axis)  # along this axis everything may differ, along the other two nothing
    first, second = coordinates.values()
    return same(first) & same(second)


def window(t, h, w, size, shift):
    """(l, l) bool: tokens of the same tile; size and shift are tuples (t, h, w), and a shift moves all borders."""
    tiles = [same((place - moved) // long) for place, long, moved in zip(places(t, h, w), size, shift, strict=True)]
    return tiles[0] & tiles[1] & tiles[2]


def strided(t, h, w, stride):
    """(l, l) bool: the own place in every stride-th frame, counted from the own frame in both directions."""
    moment, up, across = places(t, h, w)
    return same(moment % stride) & same(up) & same(across)


TABLE = "row looks, column is looked at"


def cases(rng: np.random.Generator) -> list[Case]:
    def sizes() -> dict[str, int]:
        return dict(zip("thw", map(int, rng.permutation([2, 3, 4, 5])), strict=False))

    line = {"t": 6, "h": 1, "w": 3}
    cube = dict(zip("thw", map(int, rng.permutation([3, 4, 5])), strict=True))
    one = {"t": 1, "h": 1, "w": 1}
    long = {"t": int(rng.choice([7, 8])), "h": 2, "w": 3}
    wide = {"t": int(rng.choice([3, 4])), "h": 5, "w": 6}
    size, shift = (2, 3, 4), (1, 2, int(rng.choice([1, 3])))  # 2 of 3: more than half a tile
    return [
        Case("a small clip", "spatial", {"t": 3, "h": 2, "w": 4}, "each frame by itself", axes=TABLE),
        Case("another clip", "spatial", sizes(), "any size", axes=TABLE),
        Case("a single token", "spatial", one, "one frame of one patch", axes=TABLE),
        Case("a small clip, tubes", "temporal", {"t": 3, "h": 2, "w": 4}, "each place by itself", axes=TABLE),
        Case("another clip, tubes", "temporal", sizes(), "any size", axes=TABLE),
        *(Case(f"lines along {axis}", "axial", cube | {"axis": axis}, f"lines along {axis}", axes=TABLE)
          for axis in "thw"),
        Case("frames of one row", "axial", line | {"axis": str(rng.choice(["t", "w"]))}, "an axis of length 1",
             axes=TABLE),
        Case("tiles", "window", wide | {"size": size, "shift": (0, 0, 0)}, "tiles from the first corner", axes=TABLE),
        Case("shifted tiles", "window", wide | {"size": size, "shift": shift}, "borders moved, and cut off at the rim",
             axes=TABLE),
        Case("tiles of another shape", "window", sizes() | {"size": (1, 2, 2), "shift": (0, 1, 0)}, "any tile",
             axes=TABLE),
        Case("every third frame", "strided", long | {"stride": 3}, "a few frames, from the own one", axes=TABLE),
        Case("a long stride", "strided", {"t": 3, "h": 2, "w": 2, "stride": int(rng.choice([4, 5]))},
             "a clip shorter than the stride", axes=TABLE),
        Case("stride 1", "strided", {"t": 4, "h": 3, "w": 2, "stride": 1}, "stride 1 is the whole tube", axes=TABLE),
    ]


def oracle(case: Case) -> np.ndarray:
    """Ask every token about every token."""
    given = dict(case.inputs)
    t, h, w = (given.pop(name) for name in "thw")
    tokens = [(frame, row, column) for frame in range(t) for row in range(h) for column in range(w)]
    may = {
        "spatial": lambda q, k: q[0] == k[0],
        "temporal": lambda q, k: q[1:] == k[1:],
        "axial": lambda q, k: all(q[i] == k[i] for i in range(3) if "thw"[i] != given["axis"]),
        "window": lambda q, k: all(tile(q[i], given["size"][i], given["shift"][i])
                                   == tile(k[i], given["size"][i], given["shift"][i]) for i in range(3)),
        "strided": lambda q, k: q[1:] == k[1:] and abs(q[0] - k[0]) % given["stride"] == 0,
    }[case.function]
    return np.array([[may(q, k) for k in tokens] for q in tokens])


def tile(place: int, size: int, shift: int) -> int:
    """Count the borders up to this place."""
    return sum((border - shift) % size == 0 for border in range(place + 1))


def blind_to_itself(inputs, out: np.ndarray) -> str | None:
    alone = [i for i in range(len(out)) if not out[i, i]]
    if not alone:
        return None
    return (f"token {alone[0]} may not look at itself in your table ({len(alone)} of {len(out)} tokens may not). A "
            "token is always in its own frame, tube, line and tile; and a row without any key gives nan in a softmax.")


def one_sided(inputs, out: np.ndarray) -> str | None:
    odd = np.argwhere(out != out.T)
    if not len(odd):
        return None
    q, k = map(int, odd[0])
    return (f"in your table {q} may look at {k} is {bool(out[q, k])}, and {k} at {q} is {bool(out[k, q])}. These "
            "patterns are mutual: both stand in the same group or neither does.")


MUTANTS = (
    Mutant("rows for frames", (("    frame, _, _ = places(t, h, w)", "    _, frame, _ = places(t, h, w)"),),
           "Your spatial table joins tokens of the same *row* of patches, in all frames. Spatial attention joins "
           "tokens of the same frame, the first of the three that places gives."),
    Mutant("other frames", (("return same(frame)", "return ~same(frame)"),),
           "Your spatial table is upside down: True says who *may* look. Somewhere True seems to mean forbidden, as in "
           "nn.MultiheadAttention."),
    Mutant("rows for tubes", (("return same(row) & same(column)", "return same(row)"),),
           "Your temporal table asks for the same row alone. A tube is one place: the same row *and* the same column."),
    Mutant("row or column", (("same(row) & same(column)", "same(row) | same(column)"),),
           "Your temporal table joins tokens that share a row *or* a column. A tube is one place: both have to agree."),
    Mutant("tubes without oneself", (("return same(row) & same(column)", "return same(row) & same(column) & "
                                      "~torch.eye(t * h * w, dtype=torch.bool)"),),
           "Your tubes leave the token itself out. It is at its own place, too, and in a clip of one frame nobody "
           "else is."),
    Mutant("planes across", (("    first, second = coordinates.values()\n    return same(first) & same(second)",
                              "    return same(dict(zip(\"thw\", places(t, h, w), strict=True))[axis])"),),
           "Your axial table holds the named axis still and lets the other two run: a plane. Along an axis it is the "
           "other way round: that axis runs, the other two agree."),
    Mutant("crosses", (("same(first) & same(second)", "same(first) | same(second)"),),
           "Your axial table joins tokens that agree in one of the two other coordinates. On one line both agree."),
    Mutant("axes in another order", (('zip("thw", places(t, h, w), strict=True))\n    coordinates.pop',
                                      'zip("twh", places(t, h, w), strict=True))\n    coordinates.pop'),),
           "Your axes h and w are exchanged: places gives frame, row, column, and h counts the rows."),
    Mutant("sliding windows", (("[same((place - moved) // long) for",
                                "[(place[:, None] - place[None]).abs() < long for"),),
           "Your windows slide: each token stands in the middle of its own. Here windows are tiles, cut once for "
           "all: two tokens side by side may be in different ones."),
    Mutant("shift to the other side", (("place - moved", "place + moved"),),
           "Your shift moves the borders towards the first corner. A shift of 1 makes the first tile one token long: "
           "a tile ends in front of the places shift, shift + size, and so on."),
    Mutant("shift forgotten", (("(place - moved) // long", "place // long"),),
           "Your tiles do not move with the shift. Unshifted windows never let anything out, however deep the model "
           "is."),
    Mutant("borders rounded towards zero", (("same((place - moved) // long)",
                                             "same(torch.div(place - moved, long, rounding_mode=\"trunc\"))"),),
           "Your division rounds towards zero, so the cut-off tile at the rim, where place - shift is negative, "
           "melts into the next one. Round down: // does."),
    Mutant("remainders for tiles", (("(place - moved) // long", "(place - moved) % long"),),
           "You took the remainder of the places by the window. Tokens of one tile have the same *quotient*; the same "
           "remainder is a grid with gaps (dilated windows)."),
    Mutant("tiles in space alone", (("tiles[0] & tiles[1] & tiles[2]", "tiles[1] & tiles[2]"),),
           "Your windows run through all frames. A window is bounded in time as well: all three of its tiles must "
           "agree."),
    Mutant("blocks of frames", (("moment % stride", "moment // stride"),),
           "You joined runs of neighbouring frames (the same quotient). Every stride-th frame means the same "
           "remainder: frame 1 looks at 1, 1 + stride, ..."),
    Mutant("key frames", (("same(moment % stride)", "(moment % stride == 0)[None]"),),
           "All your tokens look at the frames 0, stride, 2 stride, ... whatever their own is. Count from the *own* "
           "frame, in both directions."),
    Mutant("strides through whole frames", ((" & same(up) & same(across)", ""),),
           "Your strided table lets a token look at whole frames. It looks at its own place in them: same row, same "
           "column."),
)


def by_distance(t, h, w):
    frame = torch.arange(t * h * w) // (h * w)
    return (frame[:, None] - frame[None]).abs() == 0


def by_kron(t, h, w):
    return torch.kron(torch.ones(t, t), torch.eye(h * w)).bool()


def spatial_by_blocks(t, h, w):
    return torch.block_diag(*[torch.ones(h * w, h * w)] * t).bool()


def axial_by_kron(t, h, w, axis):
    parts = [torch.ones(n, n) if name == axis else torch.eye(n) for name, n in zip("thw", (t, h, w), strict=True)]
    return torch.kron(torch.kron(parts[0], parts[1]), parts[2]).bool()


def window_by_loops(t, h, w, size, shift):
    tokens = [(i, j, k) for i in range(t) for j in range(h) for k in range(w)]
    tiles = [tuple((place - s) // n for place, s, n in zip(token, shift, size, strict=True)) for token in tokens]
    return torch.tensor([[one == other for other in tiles] for one in tiles])


def strided_by_difference(t, h, w, stride):
    number, n = torch.arange(t * h * w), h * w
    return (number[:, None] - number[None]) % (stride * n) == 0


STYLES = (
    Style("distances and Kronecker products", {"spatial": by_distance, "temporal": by_kron, "axial": axial_by_kron}),
    Style("loops and blocks", {"spatial": spatial_by_blocks, "window": window_by_loops,
                               "strided": strided_by_difference}),
)

EXERCISE = Exercise(
    id="03.1",
    title="Who may look at whom",
    difficulty=2,
    minutes=14,
    points=25,
    why="a pattern is a predicate. Whoever can write it can draw it, count it and test any fast implementation of it.",
    objectives=("write spatial, temporal, axial, windowed and strided attention as predicates",
                "tell tiles from sliding windows, quotients from remainders"),
    answer=(spatial, temporal, axial, window, strided),
    given=(places, same),
    cases=cases,
    oracle=oracle,
    differentiable=False,
    properties=tuple(Property(name, function, broken)
                     for function in ("spatial", "temporal", "axial", "window", "strided")
                     for name, broken in (("a token sees itself", blind_to_itself), ("mutual", one_sided))),
    hints=(
        "What has to be equal for two tokens to meet? Frame for spatial; row and column for temporal. same() makes a "
        "table of any such question, & joins two of them.",
        "Along an axis everything may differ, along the two others nothing may. A tile is a quotient: (place - shift) "
        "// size is the same for both tokens, along each axis.",
        "Every stride-th frame counted from the own one: two frames whose numbers leave the same remainder. So "
        "same(frame % stride), and the own place.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
