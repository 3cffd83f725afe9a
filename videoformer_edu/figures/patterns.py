"""Attention patterns as tables: who may look at whom."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from videoformer_edu.figures.style import DIVIDED, FAINT, INK, house_style, new_figure


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
