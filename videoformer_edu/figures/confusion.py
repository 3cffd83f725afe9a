"""How well models did: confusion matrices and accuracies with their chance level."""

from __future__ import annotations

from matplotlib.figure import Figure
from torch import Tensor

from videoformer_edu.figures.style import SEQUENTIAL, house_style, new_figure


@house_style()
def confusion_matrices(tables: dict[str, Tensor], classes: list[str]) -> Figure:
    """Tables of counts `(classes, classes)`, true class by answer, side by side; each row in per cent of its class."""
    from seaborn import heatmap  # here, because it takes a second to import

    figure = new_figure(min(180, max(100, 20 + 54 * len(tables))), 64)
    panels = figure.subplots(1, len(tables), squeeze=False)[0]
    for axes, (title, counts) in zip(panels, tables.items(), strict=True):
        percent = 100 * counts / counts.sum(1, keepdim=True).clamp(min=1)
        words = [[f"{value:.0f}" if value >= 10 else "" for value in row] for row in percent.tolist()]
        first = axes is panels[0]
        heatmap(percent.numpy(), vmin=0, vmax=100, cmap=SEQUENTIAL, square=True, cbar=False, ax=axes, annot=words,
                fmt="", annot_kws={"fontsize": 6}, xticklabels=classes, yticklabels=classes if first else False)
        axes.set_title(f"{title}: {100 * counts.diagonal().sum() / counts.sum():.0f} %", fontsize=9)
        axes.tick_params(length=0, labelsize=7, labelrotation=0)
        axes.set_xlabel("the model says")
        axes.set_ylabel("the digit moves" if first else "")
    return figure
