"""Learning curves: what is drawn is what was handed over."""

import pytest

from videoformer_edu.figures.curves import accuracy_against, learning_curves
from videoformer_edu.figures.style import CYCLE, PAGE_MM


def lines_of(axes):
    """Name -> (x, y) of the lines that have a name."""
    return {line.get_label(): line.get_xydata().tolist() for line in axes.lines if line.get_label()[0] != "_"}


def bands_of(axes):
    """The lowest and the highest y of every band, in the order of drawing."""
    return [(band.get_paths()[0].vertices[:, 1].min(), band.get_paths()[0].vertices[:, 1].max())
            for band in axes.collections]


def test_a_line_is_the_mean_of_its_runs_and_the_band_their_range():
    figure = learning_curves({"one": [[(10, 0.1), (20, 0.5)], [(10, 0.3), (20, 0.9)]], "two": [[(5, 0.25)]]},
                             guess=0.125)
    [axes] = figure.axes
    assert lines_of(axes) == {"one": [[10, pytest.approx(20)], [20, pytest.approx(70)]], "two": [[5, 25]]}
    assert bands_of(axes) == [(pytest.approx(10), pytest.approx(90)), (25, 25)]
    assert [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"] == [12.5]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "two"]
    assert PAGE_MM[0] <= figure.get_figwidth() * 25.4 <= PAGE_MM[1] + 1e-6


@pytest.mark.parametrize(("count", "shared_out"), [(7, [7]), (8, [4, 4]), (15, [5, 5, 5]), (16, [6, 6, 4])])
def test_more_lines_than_colours_are_shared_out_over_panels(count, shared_out):
    figure = learning_curves({f"model {i}": [[(1, i / 20), (2, 0.5)]] for i in range(count)})
    assert [len(lines_of(axes)) for axes in figure.axes] == shared_out
    assert all(len({line.get_color() for line in axes.lines}) == len(axes.lines) for axes in figure.axes)
    assert max(shared_out) <= len(CYCLE)
    assert {name for axes in figure.axes for name in lines_of(axes)} == {f"model {i}" for i in range(count)}


def test_accuracy_against_is_sorted_and_logarithmic():
    figure = accuracy_against({"a": [(400, [0.6, 0.8]), (100, [0.2])], "b": [(1600, [1.0])]}, "clips")
    [axes] = figure.axes
    assert lines_of(axes) == {"a": [[100, 20], [400, pytest.approx(70)]], "b": [[1600, 100]]}
    assert axes.get_xscale() == "log" and axes.get_xlabel() == "clips"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["100", "400", "1,600"]


def test_the_legend_stands_beside_the_lines():
    figure = learning_curves({"a rather long name of an architecture": [[(1, 0.5), (2, 1.0)]]})
    figure.draw_without_rendering()
    [axes] = figure.axes
    box = axes.get_legend().get_window_extent()
    assert box.x0 >= axes.get_window_extent().x1
    assert box.x1 <= figure.bbox.x1
