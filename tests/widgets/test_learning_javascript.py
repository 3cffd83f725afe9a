"""When did it learn what: the page counts as Python does, and a run that never learns is refused."""

import pytest
from javascript import evaluate

from videoformer_edu.training.runs import recorded_run
from videoformer_edu.widgets import learning_explorer


def test_first_shares_and_words():
    assert evaluate("[learning.first([0.2, 0.95, 0.5], 0.95), learning.first([0.1], 0.95)]") == [1, -1]
    assert evaluate("learning.shares([3, 1, 0, 0, 0, 0, 2, 2, 4], 0, 3)") == [0.75, 0.25, 0]
    assert evaluate("learning.shares([3, 1, 0, 0, 0, 0, 2, 2, 4], 1, 3)") == [0, 0, 0]
    assert evaluate("learning.say(40, { accuracy: 0.25, axis: 0.5, sign: 1, loss: 1.234 })") == (
        "After 40 steps: 50 % of the axes right, 100 % of the signs, 25 % of the directions. Loss 1.23.")


def test_the_recorded_run_adds_up():
    run = recorded_run("checkpoints")
    for counts, accuracy, axis in zip(run["confusion"], run["accuracy"], run["axis"], strict=True):
        right = sum(counts[9 * i] for i in range(8))
        line = right + sum(counts[8 * i + (i ^ 1)] for i in range(8))
        assert sum(counts) == 256 and abs(right / 256 - accuracy) < 1e-3 and abs(line / 256 - axis) < 1e-3


def test_a_run_that_does_not_fit_is_refused():
    run = recorded_run("checkpoints")
    with pytest.raises(ValueError, match="they never are"):
        learning_explorer(run | {"sign": [0.5] * len(run["sign"])})
    with pytest.raises(ValueError, match="31 checkpoints, but"):
        learning_explorer(run | {"loss": run["loss"][:-1]})
    with pytest.raises(ValueError, match="recorded are broken, checkpoints"):
        recorded_run("other")


def test_the_page_stays_small():
    assert len(learning_explorer(recorded_run("checkpoints")).html) < 200_000
