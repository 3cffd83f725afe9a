"""Click a patch and see where it looks: the page explorer of attention, for a picture or a clip.

Everything the explorer needs is inside its own HTML, so it works without a kernel and without a network, in JupyterLab
and in a static page. Where scripts do not run (a notebook that is not trusted yet), a still picture stands there.
"""

from __future__ import annotations

import base64
import html
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources

import matplotlib
import numpy as np
from IPython.display import display
from torch import Tensor

from videoformer_edu.attention.patterns import Spatial, Temporal
from videoformer_edu.attention.recording import AttentionMap
from videoformer_edu.figures.show import figure_html
from videoformer_edu.figures.style import SEQUENTIAL
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


def attention_explorer(
    frames, maps: Mapping[str, Tensor] | Mapping[str, AttentionMap] | Iterable[AttentionMap], *,
    title: str, alt: str, start: tuple[int, int, int] | str = (0, 0, 0), b: int = 0,
) -> PageExplorer:
    """Where each patch of a picture or clip looks.

    frames: uint8 `(t, h, w, 3)`, one frame for each time step of the maps (a picture is a clip of one frame).
    maps: label -> `(head, q, t, h, w)` shares of attention, q = every patch in the order `(t h w)`, with or without CLS
    in front; or what `record_attention` collected, of which clip `b` is shown. The first map is shown first.
    title: above the explorer; gives the element its id. alt: what the still picture shows, in words.
    start: the patch that looks first, (t, h, w) counted from 0, or "cls".
    Raises ValueError when shapes do not fit, alt is empty, or the page would grow by more than 1 MB.
    """
    if not title.strip():
        raise ValueError("title is empty; the explorer needs one for its readers and for its id")
    if not isinstance(maps, Mapping):
        maps = {m.name: m for m in maps}
    if any(isinstance(m, AttentionMap) for m in maps.values()):
        maps = maps_for_explorer(maps, b=b)
    pixels = _check_frames(frames)
    grid = _check_maps(maps, len(pixels))
    query = _check_start(start, grid, maps)
    columns = columns_of(grid[0])
    shown = WIDTH // columns if grid[0] > 1 else 360  # CSS pixels of one frame
    film, frame_size = strip(pixels, shown)
    config = {
        "title": title, "t": grid[0], "h": grid[1], "w": grid[2], "start": query,
        "maps": [{"label": name, "heads": m.shape[0], "queries": m.shape[1]} for name, m in maps.items()],
        "columns": columns, "width": columns * shown, "frames": film, "frameWidth": frame_size[0],
        "frameHeight": frame_size[1], "pixelated": frame_size[0] <= 100, "overlay": OVERLAY, "veil": VEIL,
        "colours": np.rint(255 * matplotlib.colormaps[SEQUENTIAL](np.linspace(0, 1, 17))[:, :3]).astype(int).tolist(),
    }
    payload = base64.b64encode(b"".join(encode_map(m) for m in maps.values())).decode()
    still = figure_html(still_picture(pixels, next(iter(maps.values())), query), alt=alt,
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
        sizes = ", ".join(f"{k}: {m.shape[0]} heads x {m.shape[1]} queries" for k, m in maps.items())
        raise ValueError(f"the explorer would add {len(page) / 1e6:.1f} MB to the notebook, {LIMIT / 1e6:.0f} MB "
                         f"is the most ({sizes}, {math.prod(grid)} patches). Average the heads "
                         "(m.mean(0, keepdim=True)), show fewer blocks, or give the model fewer frames or pixels")
    return PageExplorer(title, page)


def maps_for_explorer(
    recorded: Mapping[str, AttentionMap] | Iterable[AttentionMap], *, b: int = 0
) -> dict[str, Tensor]:
    """What `record_attention` collected -> label ("block 1 · time") -> `(head, q, t, h, w)` of clip `b`.

    q counts CLS first, where the attention has one, then every patch. The columns of CLS are left out.
    """
    values = recorded.values() if isinstance(recorded, Mapping) else recorded
    out = {}
    for m in values:
        dense = m.dense()[b]  # (head, s, s)
        out[_label(m)] = dense[:, :, int(m.cls):].unflatten(-1, tuple(m.grid))
    return out


def _label(m: AttentionMap) -> str:
    """blocks.0.temporal_attention -> block 1 · time"""
    block = re.search(r"blocks\.(\d+)", m.name)
    where = f"block {int(block.group(1)) + 1}" if block else m.name
    if m.grid.t == 1:
        return where
    kind = {Temporal: "time", Spatial: "space"}.get(type(m.pattern), "joint")
    return f"{where} · {kind}"


# ------------------------------------------------------------------------------------------------------- the checks


def _check_frames(frames) -> np.ndarray:
    pixels = np.asarray(frames)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3 or not len(pixels):
        raise ValueError(f"frames are uint8 (t, h, w, 3), got {pixels.dtype} {tuple(pixels.shape)}; a picture needs a "
                         "time axis (image[None]), a (c, t, h, w) clip its axes moved, floats (x * 255).round()")
    return pixels


def _check_maps(maps: Mapping[str, Tensor], t: int) -> tuple[int, int, int]:
    if not maps:
        raise ValueError("there is no map to show; record at least one attention")
    grid = None
    for name, m in maps.items():
        if m.ndim != 5 or m.shape[1] not in (math.prod(m.shape[2:]), math.prod(m.shape[2:]) + 1):
            raise ValueError(f"{name!r} is {tuple(m.shape)}; a map is (head, q, t, h, w) with q = t*h*w patches, or "
                             "one more for CLS in front")
        grid = grid or tuple(m.shape[2:])
        if tuple(m.shape[2:]) != grid:
            raise ValueError(f"{name!r} lies on the grid {tuple(m.shape[2:])}, the maps before it on {grid}; "
                             "show them in two explorers")
    if grid[0] != t:
        raise ValueError(f"{t} frames but maps of {grid[0]} time steps; pass one frame for each step, such as "
                         f"frames[::{max(1, t // grid[0])}]")
    return grid


def _check_start(start, grid: tuple[int, int, int], maps: Mapping[str, Tensor]) -> int:
    """The number of the first query; CLS is -1."""
    if start == "cls":
        if next(iter(maps.values())).shape[1] == math.prod(grid):
            raise ValueError("the first map has no CLS to start from; start at a patch: start=(0, 0, 0)")
        return -1
    if isinstance(start, str) or len(start) != 3 or not all(0 <= i < size for i, size in zip(start, grid, strict=True)):
        raise ValueError(f'start is a patch (t, h, w) inside the grid {grid}, counted from 0, or "cls"; got {start!r}')
    return (start[0] * grid[1] + start[1]) * grid[2] + start[2]
