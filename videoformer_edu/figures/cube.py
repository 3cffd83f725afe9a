"""The token cube: the frames of a clip as a row of patch grids, one token that looks, and the tokens it looks at.

It is the first picture of every pattern. Cells are drawn in perspective and say *where* a token looks; the words and
the counts stand beside the drawing in the page's own letters, so that they follow a light or a dark theme.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping
from itertools import groupby

import torch
from IPython.display import display
from torch import Tensor

from videoformer_edu.attention.patterns import Pattern, Place, places
from videoformer_edu.figures.style import DIVIDED, TIME
from videoformer_edu.tokens import Grid

WIDTH, RISE = 46.0, 24.0  # pixels: how wide a frame is, and how far its right edge is raised
ROW, FALL = 290.0, 56.0  # how far the last frame stands at most from the first, to the right and down
GREY = "#7f868e"  # lines and numbers: as far from a white page as from a black one
KEY, QUERY = TIME, DIVIDED  # amber and blue


def keys_of(pattern: Pattern, grid: Grid, query: tuple[int, int, int]) -> Tensor:
    """Who the token at `query` (t, h, w) may look at: bool `(t', h', w')` on the pattern's grid of keys."""
    if any(not 0 <= place < size for place, size in zip(query, grid, strict=True)):
        raise ValueError(f"the query (t, h, w) = {tuple(query)} is not on the grid {tuple(grid)}; count from 0")
    keys = Grid(*pattern.key_grid(grid))
    allowed = pattern.looks(Place(*map(torch.tensor, query)), places(keys), grid)
    return allowed.expand(keys.l).reshape(tuple(keys))


def token_cube(pattern: Pattern, grid: Grid, query: tuple[int, int, int]) -> str:
    """An SVG: the grid of keys frame by frame, the keys of one query amber, the query blue in a white ring.

    Where keys are pooled their cells are larger, and the query keeps its own size and place.
    """
    return lit_cube(keys_of(pattern, grid, query), grid, query)


def lit_cube(lit: Tensor, grid: Grid, query: tuple[int, int, int]) -> str:
    """An SVG: cells `(t, h, w)` amber, from 0 (not at all) to 1 in opacity or bool, and the query of `grid` blue."""
    grid, (t, h, w) = Grid(*grid), lit.shape
    levels = [level for level in lit.unique().tolist() if level > 0]
    step, fall = min(40.0, ROW / max(1, t - 1)), min(7.0, FALL / max(1, t - 1))  # from frame to frame
    height, top = 1.6 * WIDTH * h / w, 8 + RISE

    def at(frame: int, row: float, column: float) -> str:
        """A corner on the page; row and column are shares of the frame."""
        x, y = 6 + frame * step + column * WIDTH, top + frame * fall + row * height - column * RISE
        return f"{x:.1f} {y:.1f}"

    def cells(frame: int, runs: list[tuple[int, int, int]], rows: int, columns: int) -> str:
        """A closed path around each run of cells (row, first column, how many) of a frame of `rows` x `columns`."""
        return " ".join(
            f"M{at(frame, r / rows, c / columns)} L{at(frame, r / rows, (c + n) / columns)} "
            f"L{at(frame, (r + 1) / rows, (c + n) / columns)} L{at(frame, (r + 1) / rows, c / columns)}Z"
            for r, c, n in runs)

    seen = int((query[0] + 0.5) * t / grid.t)  # the frame of keys that shows the moment of the query
    parts = []
    for frame in range(t):
        lines = [f"M{at(frame, r / h, 0)} L{at(frame, r / h, 1)}" for r in range(h + 1)]
        lines += [f"M{at(frame, 0, c / w)} L{at(frame, 1, c / w)}" for c in range(w + 1)]
        parts.append(f'<path fill="{GREY}" fill-opacity=".1" d="{cells(frame, [(0, 0, 1)], 1, 1)}"/>')
        for level in levels:
            marked = cells(frame, _runs((lit[frame] == level).tolist()), h, w)
            faint = "" if level == 1 else f' fill-opacity="{level:.2f}"'
            parts.append(f'<path class="keys" fill="{KEY}"{faint} d="{marked}"/>' if marked else "")
        thin = 0.8 if h * w <= 64 else 0.3
        parts.append(f'<path fill="none" stroke="{GREY}" stroke-width="{thin}" d="{" ".join(lines)}"/>')
        if t <= 16 or frame % 4 == 0:
            x, y = at(frame, 1, 0).split()
            parts.append(f'<text x="{float(x) + 8:.1f}" y="{float(y) + 14:.1f}">{frame}</text>')
    own = cells(seen, [(*query[1:], 1)], grid.h, grid.w)
    ring = min(2, WIDTH / grid.w / 3)
    parts.append(f'<path class="query" fill="{QUERY}" stroke="white" stroke-width="{ring:.1f}" d="{own}"/>')
    size = 12 + (t - 1) * step + WIDTH, top + height + (t - 1) * fall + 20
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]:.0f}" height="{size[1]:.0f}" '
            f'viewBox="0 0 {size[0]:.0f} {size[1]:.0f}" font-family="sans-serif" font-size="12" fill="{GREY}">'
            f'{"".join(parts)}</svg>')


def _runs(rows: list[list[bool]]) -> list[tuple[int, int, int]]:
    """Marked cells side by side as one, so that a large cube stays a small file: (row, first column, how many)."""
    return [(r, run[0], len(run)) for r, row in enumerate(rows)
            for marked, group in groupby(range(len(row)), key=row.__getitem__) if marked for run in [list(group)]]


def cube_html(patterns: Mapping[str, Pattern], grid: Grid, query: tuple[int, int, int], *,
              caption: str | None = None) -> str:
    """A row of token cubes, each under its name and above its counts; narrow pages stack them."""
    return cubes_html({name: (token_cube(pattern, grid, query), count_words(pattern, grid, query),
                              spoken(pattern, grid, query)) for name, pattern in patterns.items()}, caption)


def cubes_html(cubes: Mapping[str, tuple[str, str, str]], caption: str | None = None, *, width: str = "") -> str:
    """A row of cubes: name -> (SVG, the words below it, what it shows for those who cannot see it).

    width: of each column, where its words are longer than its picture is wide.
    """
    column = f' style="width:{width}"' if width else ""
    drawn = []
    for name, (picture, below, alt) in cubes.items():
        svg = base64.b64encode(picture.encode()).decode()
        drawn.append(f'<div{column}><strong>{html.escape(name)}</strong><br><img alt="{html.escape(f"{name}: {alt}")}" '
                     f'style="max-width:100%;height:auto" src="data:image/svg+xml;base64,{svg}"><br>'
                     f"{html.escape(below, quote=False)}</div>")
    low = "" if caption is None else (
        f'<figcaption style="margin-top:6px;opacity:.85">{html.escape(caption, quote=False)}</figcaption>')
    return (f'<figure style="margin:8px 0"><div style="display:flex;flex-wrap:wrap;gap:8px 28px">{"".join(drawn)}</div>'
            f"{low}</figure>")


def count_words(pattern: Pattern, grid: Grid, query: tuple[int, int, int]) -> str:
    """The two numbers of a pattern: keys of this query, pairs of the whole clip."""
    keys = int(keys_of(pattern, grid, query).sum())
    return f"{keys:,} {'key' if keys == 1 else 'keys'} for this query · {pattern.pairs(grid):,} pairs in all"


def spoken(pattern: Pattern, grid: Grid, query: tuple[int, int, int]) -> str:
    """The cube in words: how many keys lie in which frames."""
    each = keys_of(pattern, grid, query).flatten(1).sum(dim=1).tolist()
    frames = "; ".join(f"frame {frame}: {keys}" for frame, keys in enumerate(each) if keys)
    return f"the token in frame {query[0]}, row {query[1]}, column {query[2]} looks at {sum(each)} tokens ({frames})"


def show_token_cubes(patterns: Mapping[str, Pattern], grid: Grid, query: tuple[int, int, int], *,
                     caption: str | None = None) -> None:
    """Show one cube for each named pattern: the same query, its keys and the counts."""
    said = "\n".join(f"{name}: {count_words(pattern, grid, query)}" for name, pattern in patterns.items())
    display({"text/html": cube_html(patterns, grid, query, caption=caption), "text/plain": said}, raw=True)


def show_lit_cubes(lit: Mapping[str, Tensor], grid: Grid, query: tuple[int, int, int], words: Mapping[str, str], *,
                   caption: str | None = None) -> None:
    """Show one cube for each named set of cells `(t, h, w)`, bool or opacities from 0 to 1, above its own words."""
    markup = cubes_html({name: (lit_cube(cells, grid, query), words[name], words[name]) for name, cells in lit.items()},
                        caption)
    said = "\n".join(f"{name}: {words[name]}" for name in lit)
    display({"text/html": markup, "text/plain": said}, raw=True)
