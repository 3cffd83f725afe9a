"""The drawings of patterns, scores and cost, tested on their data."""

import pytest
import torch

from videoformer_edu.attention import Full, Spatial, Temporal
from videoformer_edu.figures.confusion import confusion_matrices
from videoformer_edu.figures.cost import cost_curves
from videoformer_edu.figures.patterns import pattern_matrices
from videoformer_edu.figures.source import source_of
from videoformer_edu.layers import MLP
from videoformer_edu.tokens import Grid

GRID = Grid(2, 3, 2)


def test_a_pattern_is_drawn_as_its_truth_table():
    names = [f"t{t}·{n}" for t in range(2) for n in range(6)]
    tables = {"joint": Full().allowed(GRID), "spatial": Spatial().allowed(GRID), "temporal": Temporal().allowed(GRID)}
    figure = pattern_matrices(tables, names, frame=GRID.n)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["joint: 144 pairs", "spatial: 72 pairs",
                                                                "temporal: 24 pairs"]
    for axes, table in zip(figure.axes, tables.values(), strict=True):
        assert torch.equal(torch.from_numpy(axes.images[0].get_array().data), table)
        lines = [line.get_ydata()[0] for line in axes.lines if line.get_ydata()[0] == line.get_ydata()[1]]
        assert lines == [5.5]  # one line, between frame 0 and frame 1
        assert [label.get_text() for label in axes.get_xticklabels()] == names
    assert figure.axes[0].get_yticklabels()[7].get_text() == "t1·1"


def test_large_patterns_need_no_names():
    figure = pattern_matrices({"spatial": Spatial().allowed(Grid(3, 4, 5))})
    assert figure.axes[0].get_xticklabels() == [] and not figure.axes[0].lines


def test_confusion_matrices_show_shares_of_each_row():
    counts = torch.tensor([[3, 1], [0, 4]])
    figure = confusion_matrices({"one": counts, "two": counts.T}, ["E", "W"])
    first, second = figure.axes
    assert first.collections[0].get_array().reshape(2, 2).tolist() == [[75, 25], [0, 100]]
    assert first.get_title(loc="left") == "one: 88 %"
    assert [text.get_text() for text in first.texts] == ["75", "25", "", "100"]
    assert second.collections[0].get_array().reshape(2, 2)[1].tolist() == pytest.approx([20, 80])
    assert figure.get_size_inches()[0] * 25.4 >= 100


def test_cost_curves_plot_g_multiply_adds_and_marks():
    figure = cost_curves([4, 8, 16], {"joint": [4e9, 8e9, 32e9], "divided": [5e9, 9e9, 18e9]}, crossing=11,
                         marks={"TimeSformer": (8, 9e9)})
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines["joint"].get_ydata()) == [4, 8, 32] and list(lines["divided"].get_xdata()) == [4, 8, 16]
    assert any(list(line.get_xdata()) == [11, 11] for line in axes.lines)
    assert {t.get_text() for t in axes.texts} == {"divided is cheaper\nfrom 11 frames on", "TimeSformer"}
    assert [t.get_text() for t in axes.get_xticklabels()] == ["4", "8", "16"]


def test_source_is_the_code_that_runs():
    text = source_of(MLP)
    assert text.startswith("class MLP(nn.Sequential):") and text.endswith("\n")
    assert source_of(Grid.n.fget).startswith("@property")
    with pytest.raises(ValueError, match="lives in a file"):
        source_of(len)
