"""05.4: places in a clip of another size: a table resized, and rotation, which needs no table."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make
from videoformer_edu.sheets import oracles


def resize_table(table, old, new):
    """table (t*h*w, d) of the grid `old` (t, h, w) -> (t'*h'*w', d) of the grid `new`, time slowest.

    Bicubic over rows and columns, linear over time; corners not aligned.
    """
    t, h, w = old
    x = rearrange(table, "(t h w) d -> t d h w", t=t, h=h, w=w)  # t pictures of d channels
    x = F.interpolate(x, size=new[1:], mode="bicubic", align_corners=False)
    x = rearrange(x, "t d h w -> (h w) d t")  # h'*w' lines of d channels
    x = F.interpolate(x, size=new[0], mode="linear", align_corners=False)
    return rearrange(x, "(h w) d t -> (t h w) d", h=new[1])


def rotary(x, grid, omega):
    """Queries or keys x (b, t*h*w, e) of the grid (t, h, w) -> the same shape, each turned by its place.

    omega (f,): radians per place. Channels (0, 1), (2, 3), ... are pairs. The first f pairs are turned by the frame
    times omega, the next f by the row times omega, the next f by the column times omega; what is left over stays.
    """
    places = torch.cartesian_prod(*(torch.arange(size) for size in grid))  # (l, 3): frame, row, column
    angles = (places[:, :, None] * omega).flatten(1)  # (l, 3*f)
    turned, rest = x[..., :2 * angles.shape[1]], x[..., 2 * angles.shape[1]:]
    a, b = turned[..., 0::2], turned[..., 1::2]
    turned = torch.stack([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], dim=-1)
    return torch.cat([turned.flatten(-2), rest], dim=-1)


def cases(rng: np.random.Generator) -> list[Case]:
    def table(old: tuple, new: tuple, d: int) -> dict:
        return {"table": make.tokens(rng, math.prod(old), d), "old": old, "new": new}

    def turned(b: int, grid: tuple, e: int, f: int) -> dict:
        return {"x": make.tokens(rng, b, math.prod(grid), e), "grid": grid,
                "omega": rng.uniform(0.2, 2.0, f).astype(np.float32)}

    more = int(rng.integers(4, 7))
    flat, alike = table((2, 3, 4), (3, 5, 4), 2), turned(1, (4, 3, 2), 13, 2)
    flat["table"][:] = flat["table"][:1]
    alike["x"][:] = make.tokens(rng, 13)
    rows, tokens = "(t'*h'*w', d)", "(b, t*h*w, e)"
    return [
        Case("a table of equal rows", "resize_table", flat, "between equal places lies the same", axes=rows),
        Case("more steps", "resize_table", table((2, 2, 3), (more, 2, 3), 3), "time is resized by itself, linearly",
             axes=rows),
        Case("a wider picture", "resize_table", table((2, 3, 2), (2, 3, more), 2),
             "rows and columns are resized as a picture", axes=rows),
        Case("all three axes", "resize_table", table((3, 4, 2), (5, 3, 4), 2), "larger here and smaller there",
             axes=rows, share=2),
        Case("the same token everywhere", "rotary", alike, "a dot product knows the distance alone", axes=tokens),
        Case("a clip, channels left over", "rotary", turned(2, (3, 2, 4), 9, 1), "each axis turns its own pairs",
             axes=tokens, share=2),
        Case("a picture", "rotary", turned(2, (1, 3, int(rng.integers(2, 5))), 18, 3), "frame 0 turns nothing in time",
             axes=tokens),
        Case("a line of frames", "rotary", turned(1, (more, 1, 1), 12, 2), "any length works", axes=tokens),
    ]


def between(place: int, old: int, new: int) -> list[tuple[int, float]]:
    """Which two of `old` steps a new one lies between, and their weights."""
    middle = max(0.0, (place + 0.5) * old / new - 0.5)
    return [(int(middle), 1 - middle % 1), (min(int(middle) + 1, old - 1), middle % 1)]


def oracle(case: Case) -> np.ndarray:
    given = case.inputs
    if case.function == "resize_table":
        old, (t, h, w) = given["old"], given["new"]
        x = given["table"].astype(np.float64).reshape(*old, -1)
        return np.array([sum(a * b * c * x[i, j, k] for i, a in between(step, old[0], t)
                             for j, b in oracles.taps(row, old[1], h) for k, c in oracles.taps(column, old[2], w))
                         for step in range(t) for row in range(h) for column in range(w)])
    x, omega, (t, h, w) = given["x"].astype(np.float64), given["omega"].astype(np.float64), given["grid"]
    out = x.copy()
    for number in range(t * h * w):
        place = number // (h * w), number // w % h, number % w
        for axis in range(3):
            for i, frequency in enumerate(omega):
                first, angle = 2 * (axis * len(omega) + i), place[axis] * frequency
                a, b = x[:, number, first], x[:, number, first + 1]
                out[:, number, first] = math.cos(angle) * a - math.sin(angle) * b
                out[:, number, first + 1] = math.sin(angle) * a + math.cos(angle) * b
    return out


def not_flat(inputs, out: np.ndarray) -> str | None:
    off = np.abs(out - inputs["table"][:1]).max(axis=-1)
    if off.max() < 1e-4:
        return None
    return ("all rows of this table are the same, so all rows of the resized one must be that row. In yours "
            f"{int((off > 1e-4).sum())} of {len(off)} rows are not.")


def length_changed(inputs, out: np.ndarray) -> str | None:
    before, after = (np.linalg.norm(x, axis=-1) for x in (inputs["x"].astype(np.float64), out.astype(np.float64)))
    if np.abs(before - after).max() < 1e-3:
        return None
    worst = int(np.abs(before - after).max(axis=0).argmax())
    return (f"turning keeps the length of a token. In yours the token {worst} has the length {after[0, worst]:.2f}; "
            f"it had {before[0, worst]:.2f}.")


def not_the_distance(inputs, out: np.ndarray) -> str | None:
    """All tokens are the same one; dot products may depend on how far apart they sit alone."""
    x = out[0].reshape(*inputs["grid"], -1).astype(np.float64)
    for name, (a, b), (c, d) in (("frame", ((0, 0, 0), (1, 0, 0)), ((2, 1, 1), (3, 1, 1))),
                                 ("row", ((0, 0, 0), (0, 1, 0)), ((3, 1, 1), (3, 2, 1))),
                                 ("frame and one row", ((0, 0, 0), (1, 1, 0)), ((2, 1, 1), (3, 2, 1)))):
        one, two = float(x[a] @ x[b]), float(x[c] @ x[d])
        if abs(one - two) > 1e-3:
            return (f"all tokens are the same before they are turned, and two pairs that are one {name} apart have the "
                    f"dot products {one:.3f} (at {a} and {b}) and {two:.3f} (at {c} and {d}). They must be equal.")
    if np.abs(x[0, 0, 0] @ x[1, 0, 0] - x[0, 0, 0] @ x[0, 0, 0]) < 1e-6:
        return "a token and its copy one frame later have the dot product of the token with itself: time turns nothing."
    return None


BICUBIC = 'mode="bicubic", align_corners=False'
LINEAR = 'x = F.interpolate(x, size=new[0], mode="linear", align_corners=False)'
SPACE = f"x = F.interpolate(x, size=new[1:], {BICUBIC})"
PLACES = "torch.cartesian_prod(*(torch.arange(size) for size in grid))"
TURN = "a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()"
MUTANTS = (
    Mutant("corners aligned in space", ((BICUBIC, 'mode="bicubic", align_corners=True'),),
           "You aligned the corners. A patch is an area, not a point: align_corners=False leaves its middle in place."),
    Mutant("bilinear", ((BICUBIC, 'mode="bilinear", align_corners=False'),),
           "Rows and columns went bilinearly, or all axes at once, trilinearly. Places of a frame want bicubic."),
    Mutant("time nearest", ((LINEAR, 'x = F.interpolate(x, size=new[0], mode="nearest")'),),
           "In time you repeated the nearest step, so neighbours get the same position. Interpolate linearly."),
    Mutant("zeros beyond the table", ((LINEAR, "x = F.pad(x, (0, max(0, new[0] - t)))[..., :new[0]]"),),
           "Steps beyond the table get zeros, which is no place at all. Stretch the table over the clip instead."),
    Mutant("space as one line",
           ((SPACE, 'x = rearrange(F.interpolate(x.flatten(2), size=new[1] * new[2], mode="linear"), '
                    '"t d (h w) -> t d h w", h=new[1])'),),
           "You resized the places of a frame as one line of h·w. Then the end of a row runs over into the next one. "
           "Rows and columns are two axes (the official TimeSformer makes this very slip)."),
    Mutant("time fastest", (('"(t h w) d -> t d h w"', '"(h w t) d -> t d h w"'),
                            ('"(h w) d t -> (t h w) d"', '"(h w) d t -> (h w t) d"')),
           "You read the table with time fastest, (h w t). It lies as the tokens do, (t h w)."),
    Mutant("turned the other way", (("None] * omega)", "None] * -omega)"),),
           "You turned by minus the angle. Scores come out the same, because both queries and keys turn, but with "
           "keys that were turned the usual way they would not. The first of a pair becomes a·cos - b·sin."),
    Mutant("both signs plus", ((TURN, TURN.replace("-", "+")),),
           "Both of your sines have a plus, which is no rotation: it changes lengths. One of the two is minus: a·cos "
           "- b·sin and a·sin + b·cos."),
    Mutant("halves for pairs", (("turned[..., 0::2], turned[..., 1::2]", "turned.chunk(2, dim=-1)"),
                                ("turned.flatten(-2), rest", "turned.transpose(-1, -2).flatten(-2), rest")),
           "You paired channel i of the first half with channel i of the second, as some libraries do. Here "
           "neighbours are pairs, (0, 1), (2, 3), ...; with weights of the other kind the shapes agree and the "
           "scores do not."),
    Mutant("pairs joined as halves", (("turned.flatten(-2), rest", "turned.transpose(-1, -2).flatten(-2), rest"),),
           "The turned pairs come back as two halves, all first channels and then all second ones. Each pair has to "
           "return to its own two neighbouring channels."),
    Mutant("time alone", (("places[:, :, None]", "(places * torch.tensor([1, 0, 0]))[:, :, None]"),),
           "Only the frames turn anything in yours: rows and columns need their own pairs, or no token knows where "
           "in its frame it is."),
    Mutant("one number for a place", ((PLACES, "torch.arange(x.shape[1])[:, None].repeat(1, 3)"),),
           "You turned by the token's number in the sequence. Then the last patch of a row and the first of the next "
           "are neighbours. Each axis counts by itself: frame, row, column."),
    Mutant("space before time", ((PLACES, PLACES + "[:, [1, 2, 0]]"),),
           "Your first f pairs are turned by the row. The order of the axes is frame, row, column."),
    Mutant("frequencies interleaved", (("places[:, :, None] * omega", "places[:, None, :] * omega[:, None]"),),
           "Your axes take turns, pair by pair. The first f pairs belong to time, the next f to the rows, the next f "
           "to the columns."),
)


def resize_by_moves(table, old, new):
    x = table.reshape(*old, -1).permute(0, 3, 1, 2)
    x = F.interpolate(x, size=tuple(new[1:]), mode="bicubic")
    lines = x.permute(2, 3, 1, 0).flatten(0, 1)
    return F.interpolate(lines, size=(new[0],), mode="linear").permute(2, 0, 1).reshape(math.prod(new), -1)


def resize_time_first(table, old, new):
    x = table.reshape(old[0], -1).T[None]  # (1, h*w*d, t)
    x = F.interpolate(x, size=new[0], mode="linear")[0].T.reshape(new[0], *old[1:], -1)
    steps = [F.interpolate(step.permute(2, 0, 1)[None], size=new[1:], mode="bicubic")[0].permute(1, 2, 0) for step in x]
    return torch.stack(steps).flatten(0, 2)


def rotary_complex(x, grid, omega):
    t, h, w = grid
    frame, row, column = torch.meshgrid(torch.arange(t), torch.arange(h), torch.arange(w), indexing="ij")
    angles = torch.cat([axis.flatten()[:, None] * omega for axis in (frame, row, column)], dim=1)
    pairs = torch.view_as_complex(x[..., :2 * angles.shape[1]].unflatten(-1, (-1, 2)).contiguous())
    turned = torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2)
    return torch.cat([turned, x[..., 2 * angles.shape[1]:]], dim=-1)


def rotary_by_swapping(x, grid, omega):
    l, f = x.shape[1], len(omega)
    number = torch.arange(l)
    t, h, w = number // (grid[1] * grid[2]), number // grid[2] % grid[1], number % grid[2]
    angles = torch.cat([t[:, None] * omega, h[:, None] * omega, w[:, None] * omega], dim=1).repeat_interleave(2, dim=1)
    part = x[..., :6 * f]
    swapped = torch.stack([-part[..., 1::2], part[..., ::2]], dim=-1).flatten(-2)
    return torch.cat([part * angles.cos() + swapped * angles.sin(), x[..., 6 * f:]], dim=-1)


STYLES = (
    Style("permute, complex numbers", {"resize_table": resize_by_moves, "rotary": rotary_complex}),
    Style("time first, swapped pairs", {"resize_table": resize_time_first, "rotary": rotary_by_swapping}),
)

EXERCISE = Exercise(
    id="05.4",
    title="Places: a table resized, and rotation instead of a table",
    difficulty=4,
    minutes=17,
    points=25,
    why="another number of frames or another picture size is the commonest reason why a published model fails, or "
        "answers quietly worse.",
    objectives=("resize a table over space and over time, each axis as it should be",
                "turn queries and keys by frame, row and column, so that scores know distances alone"),
    answer=(resize_table, rotary),
    cases=cases,
    oracle=oracle,
    properties=(
        Property("between equal places lies the same", "resize_table", not_flat, ("a table of equal rows",)),
        Property("turning keeps lengths", "rotary", length_changed),
        Property("the distance alone", "rotary", not_the_distance, ("the same token everywhere",)),
    ),
    hints=(
        "resize_table is two calls of F.interpolate, one over a picture and one over a line; the work is to give each "
        "the axes it wants. rotary: write down the angle of one pair of one token first.",
        "F.interpolate resizes the last axes and treats the first two as batch and channels: (t, d, h, w) for "
        "bicubic, (h'*w', d, t) for linear. rotary: angles (l, 3*f), the places (l, 3) times omega (f,), flattened "
        "axis by axis.",
        "rotary: a, b = x[..., 0::2], x[..., 1::2] of the first 6*f channels; the new pair is a*cos - b*sin and "
        "a*sin + b*cos; torch.stack(..., dim=-1).flatten(-2) puts neighbours together again; append the rest.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
