"""06.2: tokens into windows and back, where the windows do not fill the grid."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, Style
from videoformer_edu.sheets import inputs as make


def padded(grid, window):
    """(t, h, w) of the grid that whole windows cover: each axis rounded up to a multiple of the window's."""
    return tuple(-(-size // inside) * inside for size, inside in zip(grid, window, strict=True))


def to_windows(x, grid, window):
    """x (b, t*h*w, d) -> (b, windows, tokens of a window, d), both in reading order; zeros at the end of each axis."""
    t, h, w = (large - size for large, size in zip(padded(grid, window), grid, strict=True))  # what is missing
    x = rearrange(x, "b (t h w) d -> b t h w d", t=grid[0], h=grid[1])
    x = F.pad(x, (0, 0, 0, w, 0, h, 0, t))
    return rearrange(x, "b (i t) (j h) (k w) d -> b (i j k) (t h w) d", t=window[0], h=window[1], w=window[2])


def from_windows(windows, grid, window):
    """(b, windows, tokens of a window, d) -> (b, t*h*w, d): the way back; what was padding is dropped."""
    i, j, _ = (large // inside for large, inside in zip(padded(grid, window), window, strict=True))
    x = rearrange(windows, "b (i j k) (t h w) d -> b (i t) (j h) (k w) d", i=i, j=j, t=window[0], h=window[1])
    return rearrange(x[:, :grid[0], :grid[1], :grid[2]], "b t h w d -> b (t h w) d")


def cases(rng: np.random.Generator) -> list[Case]:
    def tokens(grid: tuple, window: tuple, b: int, d: int) -> dict:
        return {"x": make.tokens(rng, b, int(np.prod(grid)), d), "grid": grid, "window": window}

    def cut(grid: tuple, window: tuple, b: int, d: int) -> dict:
        large = [-(-size // inside) for size, inside in zip(grid, window, strict=True)]
        return {"windows": make.tokens(rng, b, int(np.prod(large)), int(np.prod(window)), d), "grid": grid,
                "window": window}

    any_grid = tuple(map(int, rng.permutation([3, 5, 7])))
    whole = {"x": make.numbered(1, 4 * 4 * 6, 1), "grid": (4, 4, 6), "window": (2, 4, 3)}
    back, there = "clip, token, channel", "clip, window, token, channel"
    return [
        Case("a grid that windows fill", "padded", {"grid": (4, 6, 10), "window": (2, 3, 5)}, "nothing is added",
             axes="(t, h, w)"),
        Case("a grid that they do not fill", "padded", {"grid": (5, 7, 9), "window": (2, 7, 4)}, "rounded up",
             axes="(t, h, w)"),
        Case("any grid", "padded", {"grid": any_grid, "window": (3, 2, 4)}, "each axis by itself", axes="(t, h, w)"),
        Case("numbered tokens", "to_windows", whole, "whole windows, each token its own number", axes=there),
        Case("a window of one token", "to_windows", tokens((2, 3, 4), (1, 1, 1), 2, 3), "as many windows as tokens",
             axes=there),
        Case("padding on every axis", "to_windows", tokens((3, 5, 4), (2, 3, 7), 2, 2), "zeros at the ends",
             axes=there),
        Case("any grid into windows", "to_windows", tokens(any_grid, (2, 4, 3), 3, 2), "any size", axes=there,
             gradient=True),
        Case("whole windows back", "from_windows", cut((4, 3, 6), (2, 3, 2), 2, 3), "each token where it was",
             axes=back),
        Case("padding dropped", "from_windows", cut((3, 4, 5), (2, 3, 4), 1, 2), "as many tokens as there were",
             axes=back, gradient=True),
        Case("any grid back", "from_windows", cut(any_grid, (4, 2, 3), 2, 3), "any size", axes=back),
    ]


def oracle(case: Case) -> np.ndarray | tuple:
    """Token by token: in which window, and where in it?"""
    given = case.inputs
    grid, window = given["grid"], given["window"]
    count = [0, 0, 0]
    for axis in range(3):
        while count[axis] * window[axis] < grid[axis]:
            count[axis] += 1
    if case.function == "padded":
        return tuple(n * inside for n, inside in zip(count, window, strict=True))
    n = window[0] * window[1] * window[2]
    array = given["x"] if case.function == "to_windows" else given["windows"]
    b, d = array.shape[0], array.shape[-1]
    shape = (b, count[0] * count[1] * count[2], n, d) if case.function == "to_windows" else (b, int(np.prod(grid)), d)
    out = np.zeros(shape, array.dtype)
    for t in range(grid[0]):
        for h in range(grid[1]):
            for w in range(grid[2]):
                token = (t * grid[1] + h) * grid[2] + w
                which = (t // window[0] * count[1] + h // window[1]) * count[2] + w // window[2]
                inside = (t % window[0] * window[1] + h % window[1]) * window[2] + w % window[2]
                if case.function == "to_windows":
                    out[:, which, inside] = array[:, token]
                else:
                    out[:, token] = array[:, which, inside]
    return out


def tokens_lost(given, out: np.ndarray) -> str | None:
    there, found = set(given["x"].flatten().tolist()), set(out.flatten().tolist())
    if there <= found:
        return None
    return (f"the grid is filled by whole windows, every token holds its own number, and {len(there - found)} of "
            f"{len(there)} are in no window.")


PAD = "F.pad(x, (0, 0, 0, w, 0, h, 0, t))"
CUT = '"b (i t) (j h) (k w) d -> b (i j k) (t h w) d"'
BACK = '"b (i j k) (t h w) d -> b (i t) (j h) (k w) d"'

MUTANTS = (
    Mutant("rounded down", (("(-(-size // inside) * inside for", "(max(1, size // inside) * inside for"),
                            (PAD, "x[:, :max(grid[0] + t, 1), :max(grid[1] + h, 1), :max(grid[2] + w, 1)]"),
                            ("x[:, :grid[0], :grid[1], :grid[2]], \"b t h w d",
                             "F.pad(x[:, :grid[0], :grid[1], :grid[2]], (0, 0, 0, max(0, grid[2] - x.shape[3]), 0, "
                             "max(0, grid[1] - x.shape[2]), 0, max(0, grid[0] - x.shape[1]))), \"b t h w d")),
           "You round down: tokens at the ends would be in no window. Round up, and pad."),
    Mutant("always one window more", (("-(-size // inside) * inside for", "(size // inside + 1) * inside for"),),
           "You add a window even where the grid is filled. Round up: 4 tokens are two windows of 2, not three."),
    Mutant("number of windows", (("-(-size // inside) * inside for", "-(-size // inside) for"),),
           "This is the number of windows along each axis. Asked for are tokens: times the window."),
    Mutant("padding in front", ((PAD, "F.pad(x, (0, 0, w, 0, h, 0, t, 0))"),),
           "You pad in front. The windows begin at the first token, so what is missing is missing at the end."),
    Mutant("padding on both sides", (
        (PAD, "F.pad(x, (0, 0, w // 2, w - w // 2, h // 2, h - h // 2, t // 2, t - t // 2))"),),
           "You share the padding out to both sides. It belongs at the end of each axis."),
    Mutant("repeated edge", ((PAD, "x[:, torch.arange(grid[0] + t).clamp(max=grid[0] - 1)]"
                                   "[:, :, torch.arange(grid[1] + h).clamp(max=grid[1] - 1)]"
                                   "[:, :, :, torch.arange(grid[2] + w).clamp(max=grid[2] - 1)]"),),
           "You pad with copies of the last tokens. They would be looked at as if they were there: pad with zeros."),
    Mutant("windows interleaved", ((CUT, '"b (t i) (h j) (w k) d -> b (i j k) (t h w) d"'),),
           "Your windows take every so many-th token (dilated windows). A window is a box of neighbours: the number of "
           "the window stands first, the place inside it second."),
    Mutant("windows column first", ((CUT, '"b (i t) (j h) (k w) d -> b (k j i) (t h w) d"'),),
           "Your windows stand in the order (w h t). Reading order has time slowest: (t h w)."),
    Mutant("tokens column first", ((CUT, '"b (i t) (j h) (k w) d -> b (i j k) (w h t) d"'),),
           "Inside your windows the tokens stand in the order (w h t). It is (t h w), time slowest."),
    Mutant("window and place exchanged", ((CUT, '"b (i t) (j h) (k w) d -> b (t h w) (i j k) d"'),),
           "Your axes are exchanged: windows come first, then the tokens of a window."),
    Mutant("time and rows exchanged", (('"b (t h w) d -> b t h w d", t=grid[0], h=grid[1])',
                                        '"b (h t w) d -> b t h w d", t=grid[0], h=grid[1])'),),
           "You took the sequence apart as (h t w). Tokens run (t h w), time slowest."),
    Mutant("back with windows interleaved", ((BACK, '"b (i j k) (t h w) d -> b (t i) (h j) (w k) d"'),),
           "On the way back you put window and place together in the other order. It was (i t): window "
           "slow, place fast."),
    Mutant("window after window", (("    i, j, _ = (large", "    if windows.ndim == 4:\n        return windows.flatten("
                                    "1, 2)[:, :grid[0] * grid[1] * grid[2]]\n    i, j, _ = (large"),),
           "You join the windows as they stand, one after the other. The tokens have to go back to their places, frame "
           "by frame and row by row."),
    Mutant("first tokens kept", (('return rearrange(x[:, :grid[0], :grid[1], :grid[2]], "b t h w d -> b (t h w) d")',
                                  'return rearrange(x, "b t h w d -> b (t h w) d")[:, :grid[0] * grid[1] * grid[2]]'),),
           "You cut the padding off the end of the sequence. It stands at the end of every row, every frame and the "
           "clip: cut each axis before you flatten."),
    Mutant("last tokens kept", (("x[:, :grid[0], :grid[1], :grid[2]], \"b t h w d",
                                 "x[:, -grid[0]:, -grid[1]:, -grid[2]:], \"b t h w d"),),
           "You keep the last tokens of each axis. Padding was added at the end, so the first ones are real."),
)


def padded_by_remainder(grid, window):
    return tuple(size + (-size) % inside for size, inside in zip(grid, window, strict=True))


def to_windows_by_view(x, grid, window):
    b, _, d = x.shape
    large = [size + (-size) % inside for size, inside in zip(grid, window, strict=True)]
    box = x.new_zeros(b, *large, d)
    box[:, :grid[0], :grid[1], :grid[2]] = x.reshape(b, *grid, d)
    box = box.reshape(b, large[0] // window[0], window[0], large[1] // window[1], window[1], large[2] // window[2],
                      window[2], d)
    return box.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(b, -1, window[0] * window[1] * window[2], d)


def from_windows_by_permute(windows, grid, window):
    b, d = windows.shape[0], windows.shape[-1]
    count = [-(-size // inside) for size, inside in zip(grid, window, strict=True)]
    box = windows.reshape(b, *count, *window, d).permute(0, 1, 4, 2, 5, 3, 6, 7)
    box = box.reshape(b, count[0] * window[0], count[1] * window[1], count[2] * window[2], d)
    return box[:, :grid[0], :grid[1], :grid[2]].reshape(b, -1, d)


def numbers(grid, window):
    """(windows, n) the token that stands there, or l for padding."""
    large = [-(-size // inside) * inside for size, inside in zip(grid, window, strict=True)]
    l = grid[0] * grid[1] * grid[2]
    table = torch.full(large, l)
    table[:grid[0], :grid[1], :grid[2]] = torch.arange(l).reshape(grid)
    for axis in range(3):
        table = table.unflatten(2 * axis, (-1, window[axis]))
    return table.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(0, 2), l


def to_windows_by_numbers(x, grid, window):
    table, _ = numbers(grid, window)
    return F.pad(x, (0, 0, 0, 1))[:, table]


def from_windows_by_numbers(windows, grid, window):
    table, l = numbers(grid, window)
    back = torch.empty(l + 1, dtype=torch.long)
    back[table.flatten()] = torch.arange(table.numel())
    return windows.flatten(1, 2)[:, back[:l]]


STYLES = (
    Style("views and permute", {"padded": padded_by_remainder, "to_windows": to_windows_by_view,
                                "from_windows": from_windows_by_permute}),
    Style("token numbers", {"to_windows": to_windows_by_numbers, "from_windows": from_windows_by_numbers}),
)

EXERCISE = Exercise(
    id="06.2",
    title="Into windows and back",
    difficulty=2,
    minutes=12,
    points=25,
    why="most windowed code is tested at 224 pixels, where nothing has to be padded. The mistakes are at other sizes.",
    objectives=("cut a clip into windows that do not fill its grid", "put every token back where it was"),
    answer=(padded, to_windows, from_windows),
    cases=cases,
    oracle=oracle,
    properties=(Property("every token is in a window", "to_windows", tokens_lost, ("numbered tokens",)),),
    hints=(
        "Round up along each axis: how many windows, times their length. Then pad the box (b, t, h, w, d) at the end "
        "of each axis, and take each axis apart into (window, place inside).",
        "-(-a // b) is a divided by b, rounded up. F.pad counts axes from the last one: (0, 0) for d, then w, h, t, "
        "each as (in front, behind).",
        "'b (i t) (j h) (k w) d -> b (i j k) (t h w) d' cuts. The same, read backwards, puts together; einops needs i "
        "and j, t and h. Cut the padding off each axis, then flatten.",
    ),
    mutants=MUTANTS,
    styles=STYLES,
)
