"""Attention patterns as pictures: who may look at whom, and the order in which tokens stand."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from videoformer_edu.figures.style import DIVIDED, FAINT, INK, JOINT, house_style, new_figure


@house_style()
def pattern_matrices(allowed: dict[str, Tensor], names: list[str] | None = None, *, frame: int = 0) -> Figure:
    """Truth tables `(l, l)` side by side: a filled square = the row's token may look at the column's.

    names: one per token, written along the axes. frame: tokens in a frame; a line is drawn between frames.
    """
    figure = new_figure(min(180, max(100, 28 + 50 * len(allowed))), 62 if names else 52)
    for axes, (title, table) in zip(figure.subplots(1, len(allowed), squeeze=False)[0], allowed.items(), strict=True):
        size = len(table)
        axes.imshow(table.numpy(), cmap=ListedColormap(["white", DIVIDED]), vmin=0, vmax=1)
        axes.set_title(f"{title}: {int(table.sum())} pairs", fontsize=9)
        axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
        axes.grid(which="minor", color=FAINT, linewidth=0.6)
        axes.tick_params(which="both", length=0)
        for edge in range(frame, size, frame) if frame else ():
            axes.axhline(edge - 0.5, color=INK, linewidth=1.2)
            axes.axvline(edge - 0.5, color=INK, linewidth=1.2)
        first = axes.get_subplotspec().is_first_col()
        axes.set_xticks(range(size) if names else [], names or [], rotation=90, fontsize=7)
        axes.set_yticks(range(size) if names and first else [], names if names and first else [], fontsize=7)
        axes.set_xlabel("is looked at")
        axes.set_ylabel("looks" if first else "")
    return figure


@house_style()
def grids_in_frames(grids: dict[str, Tensor], *, mark: tuple[int, int, int] | None = None) -> Figure:
    """Values `(t, h, w)` drawn frame by frame, one row of frames per name; `mark` outlines one patch of every row."""
    rows, frames = len(grids), len(next(iter(grids.values())))
    figure = new_figure(min(180, max(100, 30 + 20 * frames)), 8 + 24 * rows)
    table = figure.subplots(rows, frames, squeeze=False)
    for axes_row, (title, values) in zip(table, grids.items(), strict=True):
        top = float(values.max()) or 1.0
        for t, axes in enumerate(axes_row):
            axes.imshow(values[t].numpy(), vmin=0, vmax=top)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_title(title if t == 0 else "", fontsize=9)
            axes.set_xlabel(f"frame {t}", fontsize=8)
            if mark and mark[0] == t:
                corner = mark[2] - 0.5, mark[1] - 0.5
                axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=JOINT, linewidth=2.5))
    return figure
