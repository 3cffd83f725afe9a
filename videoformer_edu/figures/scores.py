"""How well models did: confusion matrices and accuracies with their chance level."""

from __future__ import annotations

from matplotlib.figure import Figure
from torch import Tensor

from videoformer_edu.figures.style import INK, house_style, new_figure


def confusion(truth: Tensor, answer: Tensor, classes: int) -> Tensor:
    """`(classes, classes)` counts: row = the truth, column = the answer."""
    return (truth * classes + answer).bincount(minlength=classes**2).reshape(classes, classes)


@house_style()
def confusion_matrices(tables: dict[str, Tensor], classes: list[str]) -> Figure:
    """Confusion tables `(classes, classes)` of counts side by side, each row in per cent of its class."""
    figure = new_figure(min(180, max(100, 20 + 54 * len(tables))), 64)
    for axes, (title, counts) in zip(figure.subplots(1, len(tables), squeeze=False)[0], tables.items(), strict=True):
        share = counts / counts.sum(1, keepdim=True).clamp(min=1)
        axes.imshow(share.numpy(), vmin=0, vmax=1)
        right = counts.diagonal().sum() / counts.sum()
        axes.set_title(f"{title}: {100 * right:.0f} %", fontsize=9)
        axes.set_xticks(range(len(classes)), classes, fontsize=7)
        first = axes.get_subplotspec().is_first_col()
        axes.set_yticks(range(len(classes)), classes if first else [""] * len(classes), fontsize=7)
        axes.tick_params(length=0)
        axes.set_xlabel("the model says")
        axes.set_ylabel("the digit moves" if first else "")
        for row in range(len(classes)):
            for column in range(len(classes)):
                if share[row, column] >= 0.1:
                    colour = INK if share[row, column] > 0.6 else "white"
                    axes.text(column, row, f"{100 * share[row, column]:.0f}", ha="center", va="center", fontsize=6,
                              color=colour)
    return figure
