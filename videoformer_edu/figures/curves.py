"""How models learn: accuracy along training, and accuracy against what was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from videoformer_edu.figures.style import CYCLE, MUTED, house_style, new_figure

Points = Sequence[tuple[float, float]]  # (step, share of 1) each


@house_style()
def learning_curves(lines: Mapping[str, Sequence[Points]], *, guess: float | None = None) -> Figure:
    """Accuracy along training: for each name the mean over its runs, and a band from the lowest to the highest.

    lines: name -> runs -> points (step, share of 1); the runs of a name were looked at after the same steps. Where
    there are more lines than colours, they are shared out over panels. guess: a dashed line at that share.
    """
    names, panels = list(lines), -(-len(lines) // len(CYCLE))
    size = -(-len(names) // panels)
    parts = [names[i:i + size] for i in range(0, len(names), size)]
    figure = new_figure(170, 14 + 52 * len(parts))
    for axes, part in zip(figure.subplots(len(parts), 1, squeeze=False).flat, parts, strict=True):
        for name, colour in zip(part, CYCLE, strict=False):
            steps = [step for step, _ in lines[name][0]]
            draw_band(axes, name, colour, steps, [[share for _, share in at] for at in zip(*lines[name], strict=True)])
        finish(axes, "validation accuracy, %", guess)
    axes.set_xlabel("steps")
    return figure


@house_style()
def accuracy_against(lines: Mapping[str, Sequence[tuple[float, Sequence[float]]]], label: str, *,
                     guess: float | None = None) -> Figure:
    """Accuracy against what was given, on a logarithmic axis called `label`.

    lines: name -> points (x, shares of 1 of its runs): their mean, and a band from the lowest to the highest.
    """
    figure = new_figure(140, 62)
    axes = figure.subplots()
    for (name, points), colour in zip(lines.items(), CYCLE, strict=False):
        points = sorted(points)
        draw_band(axes, name, colour, [x for x, _ in points], [shares for _, shares in points], marker="o")
    ticks = sorted({x for points in lines.values() for x, _ in points})
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [f"{x:,.0f}" for x in ticks])
    axes.minorticks_off()
    axes.set_xlabel(label)
    finish(axes, "accuracy, %", guess)
    return figure


def draw_band(axes: Axes, name: str, colour: str, x: Sequence[float], shares: Sequence[Sequence[float]],
              marker: str = "") -> None:
    """The mean of the shares at each x as a line, and from the lowest to the highest as a band; in per cent."""
    low, mean, high = ([100 * f(at) for at in shares] for f in (min, lambda at: sum(at) / len(at), max))
    axes.plot(x, mean, color=colour, label=name, marker=marker)
    axes.fill_between(x, low, high, color=colour, alpha=0.14, linewidth=0)


def finish(axes: Axes, label: str, guess: float | None) -> None:
    if guess is not None:
        axes.axhline(100 * guess, color=MUTED, linewidth=0.8, linestyle="--")
    axes.set_ylabel(label)
    axes.set_ylim(0, 102)
    axes.grid(axis="y")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))  # beside the lines, never on them
