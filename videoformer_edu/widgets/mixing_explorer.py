"""Where did time come in? Several models on one clip: which tubelets have changed a token, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from videoformer_edu.figures.attention import for_display
from videoformer_edu.figures.show import as_frames, figure_html
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets.page_explorer import PageExplorer, assemble
from videoformer_edu.widgets.still import GAP, columns_of, shown_width, still_picture, strip
from videoformer_edu.widgets.task import task_words

TITLE = "Where did time come in?"
NOTHING = 1e-12  # of the largest change in a row: rounding, not hearing; the changes come in float64


def mixing_explorer(frames, changes: Mapping[str, Mapping[str, Tensor]], grid: Grid, *,
                    start: tuple[int, int, int] = (0, 0, 0), alt: str) -> PageExplorer:
    """What each token has heard of, in several models and at several stages of each.

    frames: uint8 `(t, h, w, 3)`, shown brighter than they are. changes: model -> stage -> `(l, l)` float64, how much
    the token of a row changes when the tubelet of a column is wiped out of the clip; at the last stage, what the head
    reads, `(1, l)`. All models have the same stages, and the second is shown first. start: the token that is chosen
    first, (t, h, w). alt: the still picture in words.

    The task is to find the one model whose tokens hear of no other step before the last stage. Raises ValueError where
    there is no such model or more than one, and where shapes or stages do not fit.
    """
    pixels, grid = for_display(as_frames(frames)), Grid(*grid)
    models, stages = list(changes), list(next(iter(changes.values()), ()))
    _check(changes, stages, grid, len(pixels))
    if any(not 0 <= place < size for place, size in zip(start, grid, strict=True)):
        raise ValueError(f"start (t, h, w) = {tuple(start)} is not on the grid {tuple(grid)}; count from 0")
    query = (start[0] * grid.h + start[1]) * grid.w + start[2]
    columns, shown = columns_of(len(pixels)), shown_width(len(pixels))
    film, (width, height) = strip(pixels, shown)
    config = {
        "models": models, "stages": stages, "grid": list(grid), "start": query, "late": late_model(changes, grid),
        "t": len(pixels), "columns": columns, "width": columns * (shown + GAP) - GAP, "film": film,
        "frameWidth": width, "frameHeight": height, "pixelated": width <= 100,
        "task": task_words("Find the model in which no token hears of another step, though the answer does: show it at "
                           f"the stage “{stages[-2]}”, then at “{stages[-1]}”.",
                           "Time came in last, between one vector for each step."),
    }
    first = changes[models[0]][stages[1]].unflatten(1, tuple(grid))[None]
    still = figure_html(still_picture(pixels, first, grid, query), alt=alt,
                        caption=f"{TITLE} (a still picture: run this cell to click and explore)")
    payload = b"".join(encode(changes[model][stage]) for model in models for stage in stages)
    return assemble("mixing", uses=("frames",), title=TITLE, config=config, still=still, payload=payload,
                    remedy=f"({len(models)} models x {len(stages)} stages x {grid.l} x {grid.l}); take a coarser grid")


def encode(change: Tensor) -> bytes:
    """`(q, l)` -> a byte each, 255 for the largest of its row; 0 where there was none, and only there."""
    shares = of_largest(change)
    return torch.where(shares > NOTHING, (255 * shares).ceil(), 0).to(torch.uint8).numpy().tobytes()


def of_largest(change: Tensor) -> Tensor:
    """Each row over its largest number."""
    return change.detach() / change.max(dim=1, keepdim=True).values.clamp_min(1e-12)


def late_model(changes: Mapping[str, Mapping[str, Tensor]], grid: Grid) -> int:
    """The number of the one model whose tokens hear of no other step before the last stage, where all are heard."""
    step = torch.arange(grid.l) // grid.n
    other = step[:, None] != step  # (l, l)
    late = [i for i, stages in enumerate(changes.values())
            if all(not (of_largest(change)[other] > NOTHING).any() for change in list(stages.values())[:-1])
            and (of_largest(list(stages.values())[-1]) > NOTHING).all()]
    if len(late) != 1:
        raise ValueError(f"the task asks for one model whose tokens hear of no other step before the last stage; of "
                         f"{', '.join(changes)} there are {len(late)}")
    return late[0]


def _check(changes: Mapping[str, Mapping[str, Tensor]], stages: list[str], grid: Grid, frames: int) -> None:
    if len(changes) < 2 or len(stages) < 3:
        raise ValueError(f"expected several models with at least three stages, got {len(changes)} with {len(stages)}")
    if frames % grid.t:
        raise ValueError(f"{frames} frames cannot be shared out among {grid.t} steps")
    for model, own in changes.items():
        if list(own) != stages:
            raise ValueError(f"{model} has the stages {', '.join(own)}, the first model {', '.join(stages)}")
        for stage, change in own.items():
            rows = 1 if stage == stages[-1] else grid.l
            if tuple(change.shape) != (rows, grid.l):
                raise ValueError(f"{model}, {stage}: expected ({rows}, {grid.l}), got {tuple(change.shape)}")
