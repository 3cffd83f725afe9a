"""A mistake is named when it is sure, and only then."""

import numpy as np
import pytest
import torch

from tests.grading.test_gradients import exercise_of
from videoformer_edu.grading.check import check
from videoformer_edu.grading.spec import Case, Mutant
from videoformer_edu.sheets import load

TUBES, SPATIAL, BLOCK, COST = load("04").exercises


def scaled(x, k):
    """x (n,), k -> k x."""
    return x * k


def exercise(*mutants, sizes=(9, 12)):
    cases = [Case(f"of {n}", "scaled", {"x": np.linspace(1, 2, n, dtype=np.float32), "k": n / 4}, "x times k")
             for n in sizes]
    return exercise_of(scaled, lambda case: case.inputs["x"].astype(float) * case.inputs["k"], {},
                       cases=lambda rng: cases, mutants=tuple(Mutant(name, (("x * k", new),), f"It is {name}.")
                                                              for name, new in mutants))


def named(exercise, function):
    report = check(exercise, {"scaled": function})
    assert report.outcome == "wrong"
    return report.mistake


ADDED, POWER = ("added", "x + k"), ("power", "x ** k")


def test_a_known_mistake_is_named():
    assert named(exercise(ADDED, POWER), lambda x, k: k + x) == "added"
    assert named(exercise(ADDED, POWER), lambda x, k: x - k) is None


def test_two_names_for_one_result_are_no_name():
    assert named(exercise(ADDED, ("sum", "k + x")), lambda x, k: k + x) is None


def test_an_answer_that_is_near_to_right_is_not_named_after_a_mistake_that_is_near_to_right():
    """The mistake is 1.5 tolerances from the truth, the answer 0.9 from the mistake."""
    close = exercise(("close", "x * (k + 4e-5)"))
    assert named(close, lambda x, k: x * (k + 1.4e-4)) is None
    assert named(close, lambda x, k: x * (k + 6e-5)) is None


def test_a_mistake_that_shows_in_some_checks_only_is_not_named():
    for differs in (9, 12, 10):
        def twice_wrong(x, k, differs=differs):
            return x + k if len(x) != differs else x / k

        assert named(exercise(ADDED, sizes=(9, 12, 10)), twice_wrong) is None


def test_the_message_says_what_the_check_is_about_and_what_else_is_right():
    message = check(COST, COST.right | {"macs": lambda t, n, d: (t, n * d)}).message
    assert message.startswith("In the check “")
    assert "of macs (every matrix product of both kinds of block): " in message.replace("at 8 frames", "at 8 frames")
    assert message.endswith("pairs and crossing: right.")


def multi_head(x, weights, name, heads):
    """Not yet."""
    ...  # your code here


def spatial_attention(x, weights, t, heads):
    return multi_head(x, weights, "spatial_attention.attention", heads)[:, :1] + x


def test_a_function_that_calls_a_stub_waits_for_it():
    report = check(SPATIAL, {"multi_head": multi_head, "spatial_attention": spatial_attention})
    assert (report.outcome, report.points) == ("not attempted", 0)
    assert report.message == ("Waiting for you: multi_head(x, weights, name, heads). spatial_attention calls "
                              "multi_head, which still holds its stub.")


def test_half_done_work_is_begun():
    report = check(TUBES, {"to_tubes": TUBES.right["to_tubes"]})
    assert report.head == "○ 04.1 Frames to tubes and back: begun, 7.9 of 15 points"
    assert report.message == "to_tubes: right. Waiting for you: from_tubes(tubes, b)."


def test_a_missing_key_is_said_with_the_keys_there_are():
    def linear(x, weights, name):
        return x @ weights[f"{name}.weight"].T

    message = check(BLOCK, BLOCK.right | {
        "divided_block": lambda x, weights, t, heads: linear(x, weights, "temporal_proj")}).message
    assert "KeyError: 'temporal_proj.weight'" in message
    assert "`weights` has no 'temporal_proj.weight'; it has 'temporal_projection.weight', " in message
    assert "in linear, line" not in message and "in <lambda>, line" in message


@pytest.mark.parametrize("extra", [torch.rand, lambda *shape: torch.nn.functional.dropout(torch.ones(shape))])
def test_random_answers_are_told_so(extra):
    report = check(exercise(ADDED), {"scaled": lambda x, k: x * k * (1 + extra(len(x)))})
    assert report.outcome == "wrong" and "two calls of scaled with the same inputs" in report.message


def test_a_result_that_is_kept_from_an_earlier_call_is_told_so():
    kept = {}

    def keeps(x, k):
        return kept.setdefault(len(x), x * k)

    cases = [Case(name, "scaled", {"x": np.linspace(first, 2, 9, dtype=np.float32), "k": 3.0}, "x times k")
             for name, first in (("one", 0), ("another", 1))]
    report = check(exercise_of(scaled, lambda case: case.inputs["x"].astype(float) * 3, {}, cases=lambda rng: cases),
                   {"scaled": keeps})
    assert "what your function gave in the check “one”, but it was called with other numbers" in report.message
