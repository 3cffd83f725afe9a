"""The pictures of lesson 02: what is drawn is what was handed over."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from videoformer_edu.figures.cost import LINES, dots_on_lines, pairs_to_scale, shares_of_the_bill, ways_over_frames
from videoformer_edu.figures.style import ATTENTION


def test_squares_are_drawn_to_scale_and_say_their_pairs():
    [axes] = pairs_to_scale({"small": 3, "large": 40, "middle": 12}).axes
    sides = [(patch.get_width(), patch.get_height()) for patch in axes.patches if patch.get_fill()]
    assert sides == [(40, 40), (12, 12), (3, 3)]  # the smallest on top
    assert axes.get_aspect() == 1
    assert {text.get_text() for text in axes.texts} == {"small\n9 pairs", "middle\n144 pairs", "large\n1,600 pairs"}


def test_shares_fill_the_picture_and_the_half_is_where_it_was_said():
    frames, parts = [1, 4, 10], {"maps": [6, 5, 1], "MLP": [3, 5, 1], "pairs": [1, 10, 8]}
    [axes] = shares_of_the_bill(frames, parts, half=4.0, marks=[1, 10]).axes
    bands = [band.get_paths()[0].vertices for band in axes.collections]
    assert [to_hex(band.get_facecolor()[0]) for band in axes.collections][-1] == ATTENTION.lower()
    at_4 = [sorted({round(y, 6) for x, y in band if x == 4}) for band in bands]
    assert at_4 == [[0, 25], [25, 50], [50, 100]]
    assert max(y for x, y in bands[-1]) == pytest.approx(100)
    [half] = axes.lines
    assert half.get_xydata().tolist() == [[1, 50], [4, 50], [4, 0]]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "10"]


def test_dots_stand_beside_the_lines_of_their_name():
    time = {"joint": ([1.0, 4.0], [1.5, 5.0]), "divided": ([2.0, 3.0], [2.5, 3.5])}
    figure = dots_on_lines([2, 8], {"seconds": time, "bytes": {"joint, stored": ([1.0, 9.0], [1.0, 9.5])}})
    left, right = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["seconds", "bytes"]
    for axes, lines in ((left, time), (right, {"joint, stored": ([1.0, 9.0], [1.0, 9.5])})):
        drawn = [(line.get_color(), np.asarray(line.get_xydata()).tolist()) for line in axes.lines]
        for i, (name, (said, found)) in enumerate(lines.items()):
            (colour, line), (other, dots) = drawn[2 * i:2 * i + 2]
            assert (line, dots) == ([[2, said[0]], [8, said[1]]], [[2, found[0]], [8, found[1]]])
            assert colour == other and (name not in LINES or colour == LINES[name][0])
        assert [text.get_text() for text in axes.get_legend().get_texts()] == list(lines)
        assert axes.get_xscale() == axes.get_yscale() == "log"


def test_a_name_that_has_no_colour_is_refused():
    with pytest.raises(KeyError, match="windows"):
        dots_on_lines([1, 2], {"seconds": {"windows": ([1, 2], [1, 2])}})


def test_ways_over_frames_draw_what_they_are_given():
    lines = {"gathered": [1.0, 2.0], "mask, scores stored": [3.0, 12.0]}
    [axes] = ways_over_frames([4, 8], {"milliseconds": lines}).axes
    drawn = {line.get_label(): np.asarray(line.get_xydata()).tolist() for line in axes.lines}
    assert drawn == {name: [[4, values[0]], [8, values[1]]] for name, values in lines.items()}
    assert len({line.get_linestyle() + line.get_marker() for line in axes.lines}) == 2  # never by colour alone
