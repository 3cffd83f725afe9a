"""One training run as a curve: the loss of each step, and what was measured on the way."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from matplotlib.figure import Figure

from videoformer_edu.figures.show import figure_html
from videoformer_edu.figures.style import DIVIDED, FAINT, JOINT, house_style, new_figure


class Table(Protocol):
    """The part of a run's history that is drawn."""

    def column(self, name: str) -> tuple[list[int], list[float]]: ...


def running_mean(values: list[float], width: int) -> np.ndarray:
    """The mean of each value and the `width - 1` before it, or as many as there are."""
    total = np.cumsum(np.asarray(values, dtype=float))
    before = np.concatenate([np.zeros(width), total])[: len(total)]  # the sum of all but the last `width`
    return (total - before) / np.minimum(np.arange(1, len(total) + 1), width)


@house_style()
def loss_curve(history: Table, accuracy: str | None = None) -> Figure:
    """The loss of every step, faint, and its running mean over a fiftieth of the steps.

    accuracy: a column with shares of 1, measured now and then, to be drawn on an axis of its own on the right.
    """
    figure = new_figure(150, 65)
    axes = figure.subplots()
    steps, losses = history.column("loss")
    axes.plot(steps, losses, color=FAINT, linewidth=1.0, label="loss of a step")
    axes.plot(steps, running_mean(losses, max(1, len(losses) // 50)), color=DIVIDED, label="running mean")
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_ylim(bottom=0)
    lines = axes.get_lines()
    if accuracy is not None:
        other = axes.twinx()
        at, shares = history.column(accuracy)
        lines += other.plot(at, [100 * share for share in shares], "o--", color=JOINT, label=f"{accuracy} (%)")
        other.set_ylim(0, 100)
        other.spines["right"].set_visible(True)
        other.set_ylabel("per cent")
    axes.legend(handles=lines, loc="center right")
    return figure


def loss_curve_html(history: Table, accuracy: str | None = None) -> str:
    """`loss_curve` as HTML with the latest numbers in words."""
    steps, losses = history.column("loss")
    last = running_mean(losses, max(1, len(losses) // 50))[-1] if losses else float("nan")
    words = f"Loss over {len(steps)} step{'s' * (len(steps) != 1)}; its running mean is now {last:.2f}."
    if accuracy is not None and (shares := history.column(accuracy)[1]):
        words += f" Latest {accuracy}: {100 * shares[-1]:.0f} %."
    return figure_html(loss_curve(history, accuracy), alt=words, caption=words)
