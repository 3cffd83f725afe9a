"""Click a patch and see where it looks, or who looks at it: the page explorer of attention, for a picture or a clip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

from videoformer_edu.attention.recording import AttentionMap
from videoformer_edu.figures.attention import for_display
from videoformer_edu.figures.show import as_frames, figure_html
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets.maps import ShownMap, maps_for_explorer
from videoformer_edu.widgets.page_explorer import LIMIT, PageExplorer, assemble
from videoformer_edu.widgets.payload import encode_map
from videoformer_edu.widgets.still import GAP, columns_of, shown_width, still_picture, strip
from videoformer_edu.widgets.task import Task, solutions


def attention_explorer(
    frames, maps: Mapping[str, Tensor | ShownMap] | Mapping[str, AttentionMap] | Iterable[AttentionMap], *,
    title: str, alt: str, start: tuple[int, int, int] | str = (0, 0, 0), b: int = 0, task: Task | None = None,
    limit: int = LIMIT,
) -> PageExplorer:
    """Where each patch of a picture or clip looks, and who looks at it.

    frames: uint8 `(t, h, w, 3)`, one or more for each time step of the maps (a picture is a clip of one frame): a step
    is laid over all the frames that it stands for. They are shown brighter than they are.
    maps: what `record_attention` collected, of which clip `b` is shown; or label -> a `ShownMap`, or a tensor
    `(head, q, t, h, w)` of shares whose queries and keys lie on one grid. The first map is shown first.
    title: a question, above the explorer; gives the element its id. alt: what the still picture shows, in words.
    start: the patch that looks first, (t, h, w) on the first map's grid, counted from 0, or "cls".
    task: what the reader is to find; the explorer says so when it is found. limit: bytes of HTML.
    Raises ValueError when shapes do not fit, alt is empty, the title is no question, nobody can do the task or it is
    done from the start, or the HTML would be larger than the limit.
    """
    if not isinstance(maps, Mapping):
        maps = {m.name: m for m in maps}
    if any(isinstance(m, AttentionMap) for m in maps.values()):
        maps = maps_for_explorer(maps, b=b)
    pixels = as_frames(frames)
    maps = _check_maps(maps, len(pixels))
    first = next(iter(maps.values()))
    query = _check_start(start, first)
    if task is not None:
        _check_task(task, maps, query, len(pixels))
    payload = b"".join(encode_map(m.shares) for m in maps.values())
    pixels = for_display(pixels)
    columns, shown = columns_of(len(pixels)), shown_width(len(pixels))
    film, (width, height) = strip(pixels, shown)
    config = {
        "t": len(pixels), "start": query, "columns": columns, "width": columns * (shown + GAP) - GAP,
        "maps": [{"label": name, "heads": len(m.shares), "firstHead": m.first_head, "queries": m.shares.shape[1],
                  "grid": list(m.grid), "keys": list(m.keys)} for name, m in maps.items()],
        "film": film, "frameWidth": width, "frameHeight": height, "pixelated": width <= 100,
        **({} if task is None else {"task": task.settings()}),
    }
    still = figure_html(still_picture(pixels, first.shares, first.grid, query), alt=alt, width=config["width"],
                        caption=f"{title} (a still picture: run this cell to click and explore)")
    sizes = ", ".join(f"{name}: {len(m.shares)} heads x {m.shares.shape[1]} queries x {m.keys.l} patches"
                      for name, m in maps.items())
    return assemble("attention", uses=("frames",), title=title, config=config, still=still, payload=payload,
                    limit=limit, remedy=f"({sizes}). Average the heads (shares.mean(0, keepdim=True)), show fewer "
                                        "blocks, or give the model fewer frames or pixels")


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
        for who, steps in (("that look", m.grid.t), ("that are looked at", m.keys.t)):
            if frames % steps:
                raise ValueError(f"{name!r} has {steps} time steps {who}, and {frames} frames cannot be shared out "
                                 f"among them; pass the same number of frames for each, such as {steps} or {2 * steps}")
        out[name] = m
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


def _check_task(task: Task, maps: Mapping[str, ShownMap], query: int, frames: int) -> None:
    """Somebody can do it, and it is not done yet."""
    done = [solutions(task, m, frames) for m in maps.values()]  # (1 + head, l) each
    if not any(one.any() for one in done):
        raise ValueError(f"nobody can do the task {task.asks!r}: no patch of any map, head by head or in their mean, "
                         "looks most at one of its cells")
    if query >= 0 and done[0][0, query]:
        raise ValueError(f"the task {task.asks!r} is done from the start; begin at another patch (start=) or map")
