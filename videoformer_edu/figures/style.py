"""The house style: one page width, one set of letters, colours that everybody can tell apart.

    @house_style()
    def frame_costs(costs) -> Figure:
        figure = new_figure(140, 60)
        axes = figure.subplots()
        ...
        return figure

Figures are made without pyplot, so nothing is shown twice and nothing stays open.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 100
PAGE_MM = (100.0, 180.0)  # the narrowest and the widest figure of a page

# Okabe and Ito's colours, which people with any of the common colour blindnesses can tell apart. One meaning each:
# the same idea has the same colour in every lesson, wherever a single pixel has it.
JOINT = "#D55E00"
DIVIDED = "#0072B2"
SPACE_ONLY = "#009E73"
SPACE = "#56B4E9"
TIME = "#E69F00"
CLS = "#CC79A7"
ATTENTION = TIME  # over frames, where it is shown by opacity
QUERY = DIVIDED  # the core of the mark on the patch that looks, in a white ring
INK = "#24292f"
MUTED = "#6e7781"
FAINT = "#d8dee4"
CYCLE = (DIVIDED, JOINT, SPACE_ONLY, CLS, TIME, SPACE, INK)

SEQUENTIAL = "viridis"  # amounts, zero or more: attention, similarity of positions
DIVERGING = "PuOr"  # signed amounts around zero; centre it (vmin=-m, vmax=m)

RC = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": False,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": matplotlib.cycler(color=CYCLE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "figure.facecolor": "white",
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 9,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "image.cmap": SEQUENTIAL,
    "image.interpolation": "nearest",
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "mathtext.fontset": "dejavusans",
    "patch.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8.5,
}


def house_style() -> AbstractContextManager:
    """The style for the body of a function that draws: `@house_style()` above it, or `with house_style():` inside."""
    return matplotlib.rc_context(RC)


def new_figure(width_mm: float = 160, height_mm: float = 70, *, layout: str | None = "constrained") -> Figure:
    """An empty Figure that belongs to nobody (no pyplot), `width_mm` 100 to 180 wide; fill it under `house_style`.

    Raises ValueError for a width that does not fit the page.
    """
    low, high = PAGE_MM
    if not low <= width_mm <= high:
        raise ValueError(f"a figure is {low:.0f} to {high:.0f} mm wide to be read on a page, got {width_mm}; "
                         "draw small pictures side by side, and split what does not fit")
    if height_mm <= 0:
        raise ValueError(f"a figure needs a height, got {height_mm} mm")
    with house_style():
        figure = Figure(figsize=(width_mm / 25.4, height_mm / 25.4), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    return figure
