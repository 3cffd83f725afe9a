"""Cost in pictures: what more frames cost each way of attending, who pays, and what a machine says to the formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from videoformer_edu.figures.style import (
    ATTENTION,
    DIVIDED,
    FAINT,
    INK,
    JOINT,
    MUTED,
    SPACE_ONLY,
    house_style,
    new_figure,
)

SOFT = "#aeb6be"  # between FAINT and MUTED
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


@house_style()
def pairs_to_scale(clips: Mapping[str, int]) -> Figure:
    """Squares over one corner, drawn to scale: a side is the tokens of a clip, so an area is its query-key pairs.

    clips: name -> tokens, at most five of them; the words stand beside the squares, at their upper edges.
    """
    figure = new_figure(150, 84)
    axes = figure.subplots()
    top = max(clips.values())
    shades = (0.12, 0.35, 0.6, 0.8, 1.0)[-len(clips):]
    for (name, tokens), shade in zip(sorted(clips.items(), key=lambda item: -item[1]), shades, strict=True):
        axes.add_patch(Rectangle((0, 0), tokens, tokens, facecolor=ATTENTION, alpha=shade, edgecolor="none"))
        axes.add_patch(Rectangle((0, 0), tokens, tokens, fill=False, edgecolor=INK, linewidth=1))
        axes.plot([tokens, 1.04 * top], [tokens, tokens], color=MUTED, linewidth=0.7)
        axes.text(1.06 * top, tokens, f"{name}\n{tokens**2:,} pairs", va="center", fontsize=9)
    axes.set(xlim=(-0.01 * top, 1.9 * top), ylim=(-0.03 * top, 1.05 * top), aspect="equal")
    axes.set_axis_off()
    return figure


@house_style()
def shares_of_the_bill(frames: Sequence[int], parts: Mapping[str, Sequence[float]], *, half: float,
                       marks: Sequence[int] = ()) -> Figure:
    """What a block pays for, in per cent of its multiply-adds, over the number of frames (logarithmic).

    parts: name -> multiply-adds at each of `frames`, the pairs last, on top. half: the frames at which they are half.
    """
    figure = new_figure(150, 76)
    axes = figure.subplots()
    total = [sum(at) for at in zip(*parts.values(), strict=True)]
    low = [0.0] * len(frames)
    for (name, values), colour in zip(parts.items(), (FAINT, SOFT, ATTENTION), strict=True):
        high = [a + 100 * v / t for a, v, t in zip(low, values, total, strict=True)]
        axes.fill_between(frames, low, high, color=colour, linewidth=0)
        end = -1 if name == list(parts)[-1] else 0
        axes.text(frames[end] * (0.93 if end else 1.08), (low[end] + high[end]) / 2, name, va="center",
                  ha="right" if end else "left", fontsize=9)
        low = high
    axes.plot([frames[0], half, half], [50, 50, 0], "--", color=INK, linewidth=1)
    axes.annotate(f"half, at {half:.1f} frames", (half, 50), xytext=(6, 5), textcoords="offset points", fontsize=8.5)
    axes.set_xscale("log", base=2)
    axes.set_xticks(marks or frames, [f"{t:,}" for t in marks or frames])
    axes.minorticks_off()
    axes.set(xlim=(frames[0], frames[-1]), ylim=(0, 100), xlabel="frames", ylabel="share of the multiply-adds, %")
    return figure


Series = tuple[Sequence[float], Sequence[float]]  # predicted, measured, at each number of frames


@house_style()
def dots_on_lines(frames: Sequence[int], panels: Mapping[str, Mapping[str, Series]]) -> Figure:
    """What was predicted as lines and what was measured as dots, over frames; a panel for each quantity, by its label.

    All axes are logarithmic. The names are those of `LINES`, or "joint, stored" for attention that stores its scores.
    """
    figure = new_figure(170, 78)
    for axes, (label, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name, (predicted, measured) in lines.items():
            colour, dashes = (LINES | {"joint, stored": (INK, "-.")})[name]
            axes.plot(frames, predicted, dashes, color=colour, linewidth=1.4, label=name)
            axes.plot(frames, measured, "o", color=colour, markersize=6)
        axes.set(xscale="log", yscale="log", xlabel="frames", title=label)
        axes.set_xticks(frames, [str(t) for t in frames])
        axes.minorticks_off()
        axes.legend(loc="upper left")
    return figure


WAYS = {"joint": (JOINT, "-", "o"), "mask, scores stored": (INK, "-.", "s"), "mask, fused kernel": (MUTED, "--", "D"),
        "gathered": (ATTENTION, "-", "^")}


@house_style()
def ways_over_frames(frames: Sequence[int], panels: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """What ways to compute attention cost over frames, a panel for each quantity, by its label; all axes logarithmic.

    panels: label -> way (of `WAYS`) -> a number at each of `frames`.
    """
    figure = new_figure(175, 80)
    for axes, (label, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name, values in lines.items():
            colour, dashes, marker = WAYS[name]
            axes.plot(frames, values, dashes, color=colour, marker=marker, markersize=4.5, linewidth=1.6, label=name)
        axes.set(xscale="log", yscale="log", xlabel="frames", title=label)
        axes.set_xticks(frames, [str(t) for t in frames])
        axes.minorticks_off()
        axes.legend(loc="upper left", fontsize=8)
    return figure
