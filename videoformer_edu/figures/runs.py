"""Several runs beside each other: the loss of each, and what it reached on validation clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from videoformer_edu.figures.style import DIVIDED, JOINT, MUTED, house_style, new_figure

Points = Sequence[Sequence[float]]  # [step, value] each


@house_style()
def run_panels(runs: Mapping[str, Mapping[str, Points]], *, guess: float, columns: int = 3) -> Figure:
    """A panel for each run, all on the same axes: its loss (left axis) and its accuracy in per cent (right axis).

    runs: name -> {"loss": points, "accuracy": points with shares of 1}. guess: a dashed line at that accuracy.
    """
    rows = -(-len(runs) // columns)
    figure = new_figure(170, 10 + 46 * rows)
    top = max(value for run in runs.values() for _, value in run["loss"])
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True).flat
    for number, (axes, (name, run)) in enumerate(zip(grid, runs.items(), strict=False)):
        left, bottom = number % columns == 0, number >= len(runs) - columns
        other = axes.twinx()
        (loss,) = axes.plot(*zip(*run["loss"], strict=True), color=DIVIDED, linewidth=1.0, label="loss of training")
        (right,) = other.plot(*zip(*((step, 100 * share) for step, share in run["accuracy"]), strict=True), "--",
                              color=JOINT, label="validation accuracy, %")
        other.axhline(100 * guess, color=MUTED, linewidth=0.8, linestyle=":")
        axes.set(title=name, ylim=(0, 1.05 * top), xlabel="step" if bottom else "", ylabel="loss" if left else "")
        other.set_ylim(0, 103)
        other.spines["right"].set_visible(True)
        other.tick_params(labelright=(number + 1) % columns == 0 or number == len(runs) - 1)
        axes.tick_params(labelleft=left)
    figure.legend(handles=[loss, right], loc="outside upper center", ncols=2)
    return figure
