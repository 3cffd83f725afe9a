"""The arithmetic of bench/grading.py on made-up times, and that its class is what it says."""

import pytest
from test_peers import bench_module

from videoformer_edu.grading.answer_source import text_of
from videoformer_edu.sheets import folders, load

grading = bench_module("grading")


def test_rates_and_ratios():
    rows = [grading.Timed("nbgrader autograde", "03", 6, 1, 30.0, 24.0, 300.0),
            grading.Timed("videoformer_edu", "03", 100, 2, 40.0, 50.0, 400.0),
            grading.Timed("videoformer_edu", "04", 100, 2, 50.0, 60.0, 410.0)]
    text = grading.page(rows)
    assert "| nbgrader autograde | 03 | 6 | 1 | 30.0 | 12.0 | 4.00 | 300 |" in text
    assert "sheet 03, 2 at a time: **12.5** times as many submissions a minute" in text
    assert "**1/8.0** of the processor time" in text and text.count("Beside") == 1
    assert "50 seconds on the clock (sheet 04), 60 of processor time at most." in text


@pytest.mark.parametrize("number", folders())
def test_every_third_learner_is_right_and_nobody_else(number):
    sheet = load(number)
    right = {made.__name__: text_of(made) for exercise in sheet.exercises for made in exercise.answer}
    assert [grading.answers(sheet, i) == right for i in range(7)] == [i % 3 == 0 for i in range(7)]
    assert all(grading.answers(sheet, i).keys() == right.keys() for i in range(3))


def test_a_wrong_award_stops_the_comparison():
    grading.agree("grader", [100, 40, 99.9, 100])
    for points in ([100, 100], [90], [100, 0, 0, 0]):
        with pytest.raises(RuntimeError, match="gives learner"):
            grading.agree("grader", points)
