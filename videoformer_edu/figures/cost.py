"""Cost as curves: what more frames cost each way of attending."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from videoformer_edu.figures.style import DIVIDED, INK, JOINT, SPACE_ONLY, house_style, new_figure

LINES = {"joint": (JOINT, "-"), "divided": (DIVIDED, "--"), "space_only": (SPACE_ONLY, ":")}  # colour and dashes


@house_style()
def cost_curves(frames: Sequence[int], macs: dict[str, Sequence[int]], *, crossing: int | None = None,
                marks: dict[str, tuple[int, float]] | None = None) -> Figure:
    """Multiply-adds (in G) over the number of frames, one line per attention; both axes are logarithmic.

    crossing: the number of frames at which divided becomes cheaper. marks: name -> (frames, multiply-adds).
    """
    figure = new_figure(150, 80)
    axes = figure.subplots()
    for name, values in macs.items():
        colour, dashes = LINES[name]
        axes.plot(frames, [value / 1e9 for value in values], dashes, color=colour, label=name.replace("_", " "))
    if crossing is not None:
        axes.axvline(crossing, color=INK, linewidth=0.8)
        axes.annotate(f"divided is cheaper\nfrom {crossing} frames on", (crossing, axes.get_ylim()[1] * 0.5),
                      xytext=(6, 0), textcoords="offset points", va="top", fontsize=8)
    for name, (t, value) in (marks or {}).items():
        axes.plot(t, value / 1e9, "o", color=INK)
        axes.annotate(name, (t, value / 1e9), xytext=(6, -11), textcoords="offset points", fontsize=8)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    ticks = [t for t in (1, 2, 4, 8, 16, 32, 64, 96, 128) if frames[0] <= t <= frames[-1]]
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.minorticks_off()
    axes.set_xlabel("frames")
    axes.set_ylabel("multiply-adds per clip (G)")
    axes.legend(loc="upper left")
    return figure
