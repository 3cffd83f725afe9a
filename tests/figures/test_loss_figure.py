"""The curve of a run, tested on its data."""

import math

import pytest

from videoformer_edu.figures.loss import loss_curve, loss_curve_html, running_mean


class Table:
    def __init__(self, losses, **others):
        self.columns = {"loss": (list(range(1, len(losses) + 1)), losses), **others}

    def column(self, name):
        return self.columns.get(name, ([], []))


LOSSES = [3 * math.exp(-step / 40) + 0.3 * math.sin(step) ** 2 for step in range(150)]  # a fiftieth: 3 steps


@pytest.mark.parametrize("width", [1, 2, 3, 7, 200])
def test_the_running_mean_looks_back_only(width):
    values = [4.0, 1.0, 1.0, 6.0, 2.0]
    assert running_mean(values, width).tolist() == pytest.approx(
        [sum(values[max(0, i + 1 - width) : i + 1]) / min(i + 1, width) for i in range(5)])


def test_every_loss_and_its_mean_are_drawn():
    (axes,) = loss_curve(Table(LOSSES)).axes
    each, mean = axes.get_lines()
    assert each.get_xdata().tolist() == mean.get_xdata().tolist() == list(range(1, 151))
    assert each.get_ydata().tolist() == LOSSES
    assert mean.get_ydata().tolist() == pytest.approx(running_mean(LOSSES, 3).tolist())
    assert axes.get_ylim()[0] == 0
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["loss of a step", "running mean"]


def test_accuracy_has_an_axis_of_its_own_in_per_cent():
    left, right = loss_curve(Table(LOSSES, accuracy=([50, 100, 150], [0.125, 0.5, 0.97])), "accuracy").axes
    (line,) = right.get_lines()
    assert line.get_xdata().tolist() == [50, 100, 150]
    assert line.get_ydata().tolist() == pytest.approx([12.5, 50, 97])
    assert right.get_ylim() == (0, 100)
    assert "accuracy (%)" in [text.get_text() for text in left.get_legend().get_texts()]


def test_the_page_says_it_in_words():
    page = loss_curve_html(Table(LOSSES, accuracy=([50, 150], [0.5, 0.97])), "accuracy")
    mean = sum(LOSSES[-3:]) / 3
    assert f'alt="Loss over 150 steps; its running mean is now {mean:.2f}. Latest accuracy: 97 %."' in page
    assert "<figcaption" in page and page.count("<img") == 1


def test_a_run_of_one_step_can_be_drawn():
    (axes,) = loss_curve(Table([2.5]), None).axes
    assert [line.get_ydata().tolist() for line in axes.get_lines()] == [[2.5], [2.5]]
    assert "Loss over 1 steps" not in loss_curve_html(Table([2.5]))
