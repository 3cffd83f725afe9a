"""Which scale saw it? One patch asked in every block of a multiscale model, each map at the size of its keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from videoformer_edu.attention.recording import AttentionMap
from videoformer_edu.figures.attention import for_display
from videoformer_edu.figures.show import as_frames, figure_html
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets.maps import ShownMap, maps_for_explorer
from videoformer_edu.widgets.page_explorer import PageExplorer, assemble
from videoformer_edu.widgets.payload import encode_map
from videoformer_edu.widgets.still import GAP, columns_of, shown_width, still_picture, strip
from videoformer_edu.widgets.task import task_words

TITLE = "Which scale saw it?"
HALF = 0.5  # of a key that the digit has to cover


def scales_explorer(frames, maps: Mapping[str, AttentionMap] | Iterable[AttentionMap], *, digit: Tensor,
                    start: tuple[int, int, int] = (0, 0, 0), alt: str, b: int = 0) -> PageExplorer:
    """Where one place looks in each block of a model whose grids become coarser.

    frames: uint8 `(t, h, w, 3)`, shown brighter than they are. maps: what `record_attention` collected, of which clip
    `b` is shown; all have the same steps in time, their rows and columns may differ. digit: bool `(t', h, w)`, the
    patches of any fine grid that show what is looked for. start: the patch of the first map's grid that is chosen
    first, (t, h, w). alt: the still picture in words.

    The task is to find a patch of the finest queries and one of the coarsest that look most at the digit in another
    step. Raises ValueError where nobody can do it, and where shapes do not fit.
    """
    pixels = for_display(as_frames(frames))
    shown = maps_for_explorer(maps, b=b)
    keys = check(shown, digit, len(pixels))
    first = next(iter(shown.values()))
    if any(not 0 <= place < size for place, size in zip(start, first.grid, strict=True)):
        raise ValueError(f"start (t, h, w) = {tuple(start)} is not on the grid {tuple(first.grid)}; count from 0")
    query = (start[0] * first.grid.h + start[1]) * first.grid.w + start[2]
    fine, coarse = finest_and_coarsest(shown, keys)
    columns, width = columns_of(len(pixels)), shown_width(len(pixels))
    film, (frame_width, frame_height) = strip(pixels, width)
    config = {
        "t": len(pixels), "start": query, "columns": columns, "width": columns * (width + GAP) - GAP, "film": film,
        "frameWidth": frame_width, "frameHeight": frame_height, "pixelated": frame_width <= 100,
        "height": pixels.shape[1], "digit": [cells.flatten().nonzero().flatten().tolist() for cells in keys],
        "fine": fine, "coarse": coarse,
        "maps": [{"label": name.split(" · ")[0], "heads": len(m.shares), "firstHead": 0, "queries": m.shares.shape[1],
                  "grid": list(m.grid), "keys": list(m.keys)} for name, m in shown.items()],
        "task": task_words(f"Find a patch among the finest queries ({fine} × {fine}) and one among the coarsest "
                           f"({coarse} × {coarse}) that look most at the digit in another step.",
                           "Each scale can see it; how exactly is a matter of its keys."),
    }
    still = figure_html(still_picture(pixels, first.shares, first.grid, query), alt=alt, width=config["width"],
                        caption=f"{TITLE} (a still picture: run this cell to click and explore)")
    payload = b"".join(encode_map(m.shares) for m in shown.values())
    return assemble("scales", uses=("frames", "attention"), title=TITLE, config=config, still=still, payload=payload,
                    remedy="; take fewer blocks, or a smaller picture")


def on_digit(digit: Tensor, keys: Grid) -> Tensor:
    """`digit (t', h, w)` bool -> bool `(t, h, w)` on the grid of keys: at least half of the key shows it."""
    return F.adaptive_avg_pool3d(digit[None].float(), tuple(keys))[0] >= HALF


def who_sees(m: ShownMap, cells: Tensor) -> Tensor:
    """`(1 + head, l)` bool: which patches look most at one of `cells (t, h, w)` in another step than their own; first
    in the mean of the heads, then in each head."""
    shares = m.shares[:, int(m.cls):].flatten(2)  # (head, l, l')
    best = torch.cat([shares.mean(0, keepdim=True), shares]).argmax(-1)  # (1 + head, l)
    own = torch.arange(m.grid.l) // m.grid.n
    return cells.flatten()[best] & (best // m.keys.n != own)


def finest_and_coarsest(shown: Mapping[str, ShownMap], keys: list[Tensor]) -> tuple[int, int]:
    """Rows of the finest and of the coarsest queries. Raises ValueError where no patch of them sees the digit."""
    rows = [m.grid.h for m in shown.values()]
    for size in (max(rows), min(rows)):
        if not any(who_sees(m, cells).any() for m, cells in zip(shown.values(), keys, strict=True) if m.grid.h == size):
            raise ValueError(f"nobody can do the task: none of the {size} x {size} queries looks most at the digit in "
                             "another step; choose another clip")
    return max(rows), min(rows)


def check(shown: Mapping[str, ShownMap], digit: Tensor, frames: int) -> list[Tensor]:
    """The keys of each map that lie on the digit."""
    if digit.ndim != 3 or digit.dtype != torch.bool or not digit.any():
        raise ValueError(f"digit is bool (t, h, w) with at least one True, got {digit.dtype} {tuple(digit.shape)}")
    steps = {m.grid.t for m in shown.values()} | {m.keys.t for m in shown.values()}
    if len(steps) != 1 or frames % steps.pop():
        raise ValueError(f"all maps must have the same steps in time, and share out {frames} frames; got "
                         + ", ".join(f"{tuple(m.grid)} looking at {tuple(m.keys)}" for m in shown.values()))
    if len({m.grid.h for m in shown.values()}) < 2:
        raise ValueError("expected queries of at least two sizes; for one size use attention_explorer")
    return [on_digit(digit, m.keys) for m in shown.values()]
