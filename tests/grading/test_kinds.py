"""Results of every kind, and what is said about another kind; arguments of every kind; answers that are free."""

import numpy as np
import pytest
import torch

from tests.grading.test_gradients import exercise_of
from videoformer_edu.grading.check import check
from videoformer_edu.grading.spec import Case, Property, Tolerance

MASK = np.array([[True, False, True], [False, True, True]])


def answer(x):
    """x -> whatever is asked for."""
    return x


def verdict(right, given, **facts):
    exercise = exercise_of(answer, lambda case: right, {"x": 3}, **facts)
    report = check(exercise, {"answer": lambda x: given})
    return report.outcome, report.message


RIGHT = [
    (MASK, torch.tensor(MASK)), (np.array([3, 1]), torch.tensor([3, 1])),
    (np.array([3, 1]), torch.tensor([3, 1]).int()), (7, 7),
    (7, 7.0), (7, torch.tensor(7)), (7, np.int64(7)), (3**39, float(3**39)),
    (0.1, 0.1 + 1e-9), (0.1, torch.tensor(0.1)), (2.0, 2),
    (True, True), (True, np.True_), (False, torch.tensor(False)), ("time", "time"),
    ((1, 0.5, True), [1, 0.5, True]), ((3, 4), torch.tensor([3, 4])), ((3, 4), np.array([3, 4])),
    ({"joint": 4, "masks": (MASK,)}, {"masks": [torch.tensor(MASK)], "joint": 4}),
    (np.array([0, -np.inf], np.float32), torch.tensor([0, -torch.inf])),
]
WRONG = [
    (MASK, torch.tensor(MASK).int(), "should hold True and False (torch.bool), yours holds int32"),
    (MASK, ~torch.tensor(MASK), "6 of 6 numbers differ; the first is [0, 0]: yours False, expected True"),
    (MASK, torch.tensor(MASK)[:, :2], "should have the shape (2, 3), yours has (2, 2)"),
    (np.array([3, 1]), torch.tensor([3.0, 1.0]), "should hold whole numbers (torch.long), yours holds float32"),
    (np.array([3, 1]), torch.tensor([3, 2]), "the first is [1]: yours 2, expected 1"),
    (np.array([3, 1]), 3, "should return one torch tensor ; yours returned 3"),
    (7, 8, "for x = 3 you gave 8, expected 7"),
    (7, 7.5, "a count is a whole number; yours is 7.5"),
    (7, "7", "should return a whole number; yours returned '7'"),
    (7, torch.tensor([7]), "should return a whole number; yours returned a tensor of shape (1,)"),
    (3**39, int(float(3**39)), "you gave 4052555153018976256, expected 4052555153018976267"),
    (7, torch.tensor(7.0), "a count is a whole number; yours is a tensor of shape () in float32, which cannot hold a"),
    ((7, 8), torch.tensor([7.0, 8.0]), "a count is a whole number; yours is 7.0 in float32"),
    (7, float("inf"), "the result is inf; look for a division by zero"),
    (0.1, 0.2, "you gave 0.2, expected 0.1"),
    (True, 1, "the result should be True or False; yours is 1"),
    ("time", "space", "you gave space, expected time"),
    ("time", None, "Is a `return` missing?"),
    ((1, 2), (1, 2, 3), "should return a tuple of 2; yours returned (1, 2, 3)"),
    ((1, 2), (1, "2"), "part [1] of the result of answer should be a whole number; yours is '2'"),
    ({"a": 1, "b": 2}, {"a": 1, "c": 2}, "should return a dict with the keys a, b; yours returned a dict with"),
    ({"a": 1, "b": (1, 2)}, {"a": 1, "b": (1, 5)}, "you gave (1, 1, 5), expected (1, 1, 2)"),
    ({"a": np.zeros(3, np.float32)}, {"a": torch.zeros(2)}, "part ['a'] of the result should have the shape (3,)"),
    (np.array([0, -np.inf], np.float32), torch.tensor([0, -1e9]), "yours -1000000000.0000, expected -inf"),
    (np.array([0, 1], np.float32), torch.tensor([0, -torch.inf]), "1 of 2 numbers are nan or infinite"),
    (np.float32([-0.0156]), torch.tensor([-0.01563]), "yours -0.01563, expected -0.01560"),
    (np.float32([1e-6]), torch.tensor([1e-6 + 3e-5]), "yours 0.00003, expected 0.00000"),
]


@pytest.mark.parametrize(("right", "given"), RIGHT)
def test_right_in_every_kind(right, given):
    assert verdict(right, given) == ("right", "All checks passed.")


@pytest.mark.parametrize(("right", "given", "words"), WRONG)
def test_wrong_in_every_kind(right, given, words):
    outcome, message = verdict(right, given)
    assert outcome == "wrong" and words in message


def test_tolerance_is_a_functions_own():
    assert verdict(1.0, 1.05)[0] == "wrong"
    assert verdict(1.0, 1.05, tolerance=Tolerance(0.1, 0))[0] == "right"
    assert verdict(1.0, 1.05, tolerance={"answer": Tolerance(0.1, 0)})[0] == "right"
    assert verdict(1.0, 1.05, tolerance={})[0] == "wrong"


def test_arguments_of_every_kind_arrive_as_they_are():
    inputs = {"x": np.ones((2, 3), np.float32), "ids": np.arange(3), "pair": (np.zeros(2, bool), 4), "rate": 0.5,
              "causal": True, "kind": "joint", "sizes": (2, 3), "nothing": None}
    seen = {}

    def asks(x, ids, pair, rate, causal, kind, sizes, nothing):
        """Everything."""
        seen.update(locals())
        return 1

    exercise = exercise_of(asks, lambda case: 1, inputs)
    assert check(exercise, {"asks": asks}).outcome == "right"
    assert seen["x"].dtype == torch.float32 and seen["ids"].dtype == torch.int64 and seen["pair"][0].dtype == torch.bool
    assert (seen["pair"][1], seen["rate"], seen["causal"], seen["kind"]) == (4, 0.5, True, "joint")
    assert (seen["sizes"], seen["nothing"]) == ((2, 3), None)
    message = check(exercise, {"asks": lambda *all: 2}).message
    assert "x (2, 3), ids (3,), pair (a tuple of 2 tensors), rate = 0.5, causal = True, kind = 'joint'" in message


def dear(inputs, pair):
    product = pair[0] * pair[1]
    return f"{pair[0]} · {pair[1]} = {product} is over 100." if product / (pair[0] - 3) > 100 / (pair[0] - 3) else None


@pytest.mark.parametrize(("given", "outcome", "words"), [
    ((5, 6), "right", ""), ((4, 25), "right", ""), ((20, 30), "wrong", "20 · 30 = 600 is over 100."),
    ((5, 6, 7), "wrong", "should return a tuple of 2"), ((3, 1), "wrong", "makes no sense here (ZeroDivisionError"),
])
def test_a_free_case_is_decided_by_its_properties(given, outcome, words):
    cases = [Case("a budget", "answer", {"x": 3}, "it stays within 100", free=True)]
    exercise = exercise_of(answer, lambda case: (4, 2), {"x": 3}, cases=lambda rng: cases,
                           properties=(Property("within the budget", "answer", dear),))
    report = check(exercise, {"answer": lambda x: given})
    assert report.outcome == outcome and words in report.message
