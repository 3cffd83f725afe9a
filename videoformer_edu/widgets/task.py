"""What the reader of an explorer is to find: in words, and as a predicate on the data that recognises it.

    Task("Find a patch that looks at the digit in another frame.", cells=moving, other_frame=True,
         says="Time attention connects the frames; space attention never leaves its own.")
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from videoformer_edu.attention.patterns import place_of
from videoformer_edu.widgets.maps import ShownMap


@dataclass(frozen=True, eq=False)
class Task:
    """Choose a patch that looks most at one of `cells`, in a map and a head, or their mean, of the reader's choice.

    asks: the task, in a sentence. cells: bool `(t, h, w)`, the patches to be looked at, on any grid over the clip.
    other_frame: only a look into another frame counts. says: what has been learnt, shown when it is done.
    Raises ValueError for empty words, no cell, or cells that are not bool.
    """

    asks: str
    cells: Tensor
    says: str
    other_frame: bool = False

    def __post_init__(self):
        cells = torch.as_tensor(self.cells)
        task_words(self.asks, self.says)
        if cells.ndim != 3 or cells.dtype != torch.bool or not cells.any():
            raise ValueError(f"cells is bool (t, h, w) with at least one True, got {cells.dtype} {tuple(cells.shape)}"
                             f"{'' if cells.ndim != 3 else ', none of them True'}; write one cell for each patch that "
                             "may be looked at")
        object.__setattr__(self, "cells", cells)

    def settings(self) -> dict:
        """As JSON takes it: the cells as numbers, in the order (t h w)."""
        return {**task_words(self.asks, self.says), "otherFrame": self.other_frame, "grid": list(self.cells.shape),
                "cells": self.cells.flatten().nonzero().flatten().tolist()}


def task_words(asks: str, says: str) -> dict:
    """The words of any explorer's task, as its settings take them: what to find, and what has been learnt when it is
    found. What counts as found stands in the explorer's own script. Raises ValueError for empty words."""
    if not asks.strip() or not says.strip():
        raise ValueError("a task needs words: asks= what to find, says= what has been learnt when it is found")
    return {"asks": asks, "says": says}


def solutions(task: Task, shown: ShownMap, frames: int) -> Tensor:
    """`(1 + head, l)` bool: which queries of a map do the task, first in the mean of the heads, then in each head."""
    shares = shown.shares[:, int(shown.cls):].detach().cpu().flatten(2)  # (head, l, l')
    shares = torch.cat([shares.mean(0, keepdim=True), shares])
    best = shares.argmax(-1)  # (1 + head, l)
    looks = place_of(best, shown.keys)
    cell = (_carry(looks.t, shown.keys.t, task.cells.shape[0]), _carry(looks.h, shown.keys.h, task.cells.shape[1]),
            _carry(looks.w, shown.keys.w, task.cells.shape[2]))
    done = task.cells[cell] & (shares.amax(-1) > 0)
    if task.other_frame:
        asks = place_of(torch.arange(shown.grid.l), shown.grid)
        own, other = frames // shown.grid.t, frames // shown.keys.t  # frames of a step
        apart = (asks.t * own + own <= looks.t * other) | (looks.t * other + other <= asks.t * own)
        done &= apart
    return done


def _carry(place: Tensor, parts: int, others: int) -> Tensor:
    """Along one axis: which of `others` parts covers the middle of each of `parts`."""
    return (2 * place + 1) * others // (2 * parts)
