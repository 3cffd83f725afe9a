"""Click a patch and see where it looks: the page explorer of attention, for a picture or a clip.

Everything the explorer needs is inside its own HTML, so it works without a kernel and without a network, in JupyterLab
and in a static page. Where scripts do not run (a notebook that is not trusted yet), a still picture stands there.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple

import matplotlib
import numpy as np
from IPython.display import display
from torch import Tensor

from videoformer_edu.attention.recording import AttentionMap
from videoformer_edu.figures.show import as_frames, figure_html
from videoformer_edu.figures.style import SEQUENTIAL
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets.labels import labels
from videoformer_edu.widgets.payload import encode_map
from videoformer_edu.widgets.still import OVERLAY, VEIL, WIDTH, columns_of, still_picture, strip

LIMIT = 1_000_000  # bytes of HTML


@dataclass(frozen=True)
class PageExplorer:
    """An explorer as one piece of HTML: the last line of a cell shows it, and so does `display()`."""

    title: str
    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<explorer: {self.title}>"

    def display(self) -> None:
        display(self)


class ShownMap(NamedTuple):
    """One map of an explorer: `shares` `(head, q, t, h, w)`, where each of q queries looks on the keys' grid.

    `grid` is the queries' own: q counts its patches in the order `(t h w)`, after CLS where there is one more.
    """

    shares: Tensor
    grid: Grid

    @property
    def keys(self) -> Grid:
        return Grid(*self.shares.shape[2:])

    @property
    def cls(self) -> bool:
        return self.shares.shape[1] > self.grid.l


def attention_explorer(
    frames, maps: Mapping[str, Tensor | ShownMap] | Mapping[str, AttentionMap] | Iterable[AttentionMap], *,
    title: str, alt: str, start: tuple[int, int, int] | str = (0, 0, 0), b: int = 0,
) -> PageExplorer:
    """Where each patch of a picture or clip looks.

    frames: uint8 `(t, h, w, 3)`, one frame for each time step of the maps (a picture is a clip of one frame). A map
    with fewer steps, every so many frames one, is laid over all the frames of each step.
    maps: what `record_attention` collected, of which clip `b` is shown; or label -> a `ShownMap`, or a tensor
    `(head, q, t, h, w)` of shares whose queries and keys lie on one grid. The first map is shown first.
    title: above the explorer; gives the element its id. alt: what the still picture shows, in words.
    start: the patch that looks first, (t, h, w) on the first map's grid, counted from 0, or "cls".
    Raises ValueError when shapes do not fit, alt is empty, or the page would grow by more than 1 MB.
    """
    if not title.strip():
        raise ValueError("title is empty; the explorer needs one for its readers and for its id")
    if not isinstance(maps, Mapping):
        maps = {m.name: m for m in maps}
    if any(isinstance(m, AttentionMap) for m in maps.values()):
        maps = maps_for_explorer(maps, b=b)
    pixels = as_frames(frames)
    maps = _check_maps(maps, len(pixels))
    first = next(iter(maps.values()))
    query = _check_start(start, first)
    t = len(pixels)
    columns = columns_of(t)
    shown = WIDTH // columns if t > 1 else 360  # CSS pixels of one frame
    film, frame_size = strip(pixels, shown)
    config = {
        "title": title, "t": t, "start": query,
        "maps": [{"label": name, "heads": m.shares.shape[0], "queries": m.shares.shape[1], "grid": list(m.grid),
                  "keys": list(m.keys)} for name, m in maps.items()],
        "columns": columns, "width": columns * shown, "frames": film, "frameWidth": frame_size[0],
        "frameHeight": frame_size[1], "pixelated": frame_size[0] <= 100, "overlay": OVERLAY, "veil": VEIL,
        "colours": np.rint(255 * matplotlib.colormaps[SEQUENTIAL](np.linspace(0, 1, 17))[:, :3]).astype(int).tolist(),
    }
    payload = base64.b64encode(b"".join(encode_map(m.shares) for m in maps.values())).decode()
    still = figure_html(still_picture(pixels, first.shares, first.grid, query), alt=alt,
                        caption=f"{title} (a still picture: run this cell to click and explore)")
    name = "attention-" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    here = resources.files(__package__)
    style = here.joinpath("page_explorer.css").read_text(encoding="utf-8")
    script = here.joinpath("page_explorer.js").read_text(encoding="utf-8").replace("__NAME__", name)
    page = (
        f'<div class="vfe-explorer" id="{name}" data-explorer="attention" '
        f'data-config="{html.escape(json.dumps(config, ensure_ascii=False))}" data-payload="{payload}">'
        f'<style>{style}</style><div class="vfe-still">{still}</div></div><script>{script}</script>'
    )
    if len(page.encode()) > LIMIT:
        sizes = ", ".join(f"{name}: {m.shares.shape[0]} heads x {m.shares.shape[1]} queries x {m.keys.l} patches"
                          for name, m in maps.items())
        raise ValueError(f"the explorer would add {len(page) / 1e6:.1f} MB to the notebook, {LIMIT / 1e6:.0f} MB "
                         f"is the most ({sizes}). Average the heads (shares.mean(0, keepdim=True)), show fewer "
                         "blocks, or give the model fewer frames or pixels")
    return PageExplorer(title, page)


def maps_for_explorer(
    recorded: Mapping[str, AttentionMap] | Iterable[AttentionMap], *, b: int = 0
) -> dict[str, ShownMap]:
    """What `record_attention` collected -> label ("block 0 · time") -> the map of clip `b`; the columns of CLS go."""
    values = list(recorded.values() if isinstance(recorded, Mapping) else recorded)
    shares = (m.dense()[b, :, :, int(m.cls):].unflatten(-1, tuple(m.key_grid)) for m in values)  # (head, q, t, h, w)
    return {label: ShownMap(x, m.grid) for label, x, m in zip(labels(values), shares, values, strict=True)}


# ------------------------------------------------------------------------------------------------------- the checks


def _check_maps(maps: Mapping[str, Tensor | ShownMap], frames: int) -> dict[str, ShownMap]:
    """The maps, each with its grids, laid over `frames` frames."""
    if not maps:
        raise ValueError("there is no map to show; record at least one attention")
    out = {}
    for name, m in maps.items():
        if isinstance(m, Tensor):
            if m.ndim != 5:
                raise ValueError(f"{name!r} is {tuple(m.shape)}; a map is (head, q, t, h, w)")
            m = ShownMap(m, Grid(*m.shape[2:]))
        if m.shares.shape[1] not in (m.grid.l, m.grid.l + 1):
            raise ValueError(f"{name!r} is {tuple(m.shares.shape)}; a map is (head, q, t, h, w) with q = t*h*w patches "
                             f"of the queries' grid {tuple(m.grid)}, or one more for CLS in front")
        out[name] = m
    steps = max(t for m in out.values() for t in (m.grid.t, m.keys.t))
    if steps != frames:
        raise ValueError(f"{frames} frames but maps of {steps} time steps; pass one frame for each step, such as "
                         f"frames[::{max(1, frames // steps)}]")
    for name, m in out.items():
        if steps % m.grid.t or steps % m.keys.t:
            raise ValueError(f"{name!r} has {m.grid.t} steps that look at {m.keys.t}, and {steps} frames do not divide "
                             "into them; show it in an explorer of its own")
    return out


def _check_start(start, first: ShownMap) -> int:
    """The number of the first query; CLS is -1."""
    grid = tuple(first.grid)
    if start == "cls":
        if not first.cls:
            raise ValueError("the first map has no CLS to start from; start at a patch: start=(0, 0, 0)")
        return -1
    if isinstance(start, str) or len(start) != 3 or not all(0 <= i < size for i, size in zip(start, grid, strict=True)):
        raise ValueError(f'start is a patch (t, h, w) inside the grid {grid}, counted from 0, or "cls"; got {start!r}')
    return (start[0] * grid[1] + start[1]) * grid[2] + start[2]
