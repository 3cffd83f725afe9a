"""What a learner is told, answer by answer."""

import sys
import warnings

import numpy as np
import pytest
import torch
from einops import rearrange

from videoformer_edu.grading.check import check
from videoformer_edu.grading.conclude import prepare
from videoformer_edu.grading.crash import is_stub
from videoformer_edu.sheets import load

TUBES, SPATIAL, BLOCK, COST = load("04").exercises
RIGHT = TUBES.right


def there(to_tubes):
    """04.1 with this to_tubes and a right way back."""
    return check(TUBES, {**RIGHT, "to_tubes": to_tubes})


def tubes(x, t):
    return rearrange(x, "b (t n) d -> (b n) t d", t=t)


def blank(x, t):
    """A docstring is no attempt."""
    ...  # your code here


def passed(x, t):
    pass


def raising(x, t):
    raise NotImplementedError


def half(x, t):
    groups = x.reshape(len(x), t, -1, x.shape[-1])  # noqa: F841 - an attempt without a return


@pytest.mark.parametrize("stub", [blank, passed, raising, None, ..., lambda x, t: ...])
def test_an_untouched_stub_is_not_attempted(stub):
    back = stub if stub in (None, ...) else lambda tubes, b: ...
    report = check(TUBES, {"to_tubes": stub, "from_tubes": back})
    assert (report.outcome, report.points) == ("not attempted", 0)
    assert "to_tubes(x, t) and from_tubes(tubes, b)" in report.message


def test_one_right_function_counts_and_the_other_waits():
    report = check(TUBES, {"to_tubes": tubes, "from_tubes": lambda tubes, b: ...})
    assert report.outcome == "not attempted" and 0 < report.points < report.out_of
    assert report.message == "to_tubes: right. Waiting for you: from_tubes(tubes, b)."


def test_a_forgotten_return_is_an_attempt():
    assert not is_stub(half)
    report = there(half)
    assert report.outcome == "wrong"
    assert "Is a `return` missing?" in report.message


def test_right():
    report = check(TUBES, RIGHT)
    assert (report.outcome, report.points, report.mistake) == ("right", TUBES.points, None)
    assert all(result.passed for result in report.checks)
    assert {"gradient of to_tubes", "gradient of from_tubes"} <= {result.case for result in report.checks}


def test_a_crash_shows_the_learners_own_line():
    def falls(x, t):
        halves = rearrange(x, "b (t n) d -> b t n d", t=t)
        return halves.view(7, 7)

    report = there(falls)
    assert report.outcome == "crashed"
    assert "return halves.view(7, 7)" in report.message and "in falls, line " in report.message
    assert "RuntimeError: shape '[7, 7]' is invalid" in report.message
    x, t = prepare(TUBES, 0)[0][0].inputs.values()
    assert f"It was called with x {x.shape}, t = {t}." in report.message
    assert report.points == 7.9  # the way back is right in 8 checks of 16, and so is its gradient


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no words")


class Unreadable:
    def __getattribute__(self, name):
        raise RuntimeError("hands off")


class Leaving(Exception):
    def __str__(self):
        raise SystemExit("goodbye")


class Odd:
    """Raises or lies wherever it is looked at."""

    def __getattr__(self, name):
        raise RuntimeError("no attribute for you")

    def __eq__(self, other):
        raise RuntimeError("like nothing else")

    def __call__(self):
        return None


class AlwaysEqual(np.ndarray):
    def __eq__(self, other):
        return np.ones(self.shape, bool)


def throws(error):
    def answer(x, t):
        raise error

    return answer


def endless(x, t):
    return endless(x, t)


@pytest.mark.parametrize(("answer", "outcome", "words"), [
    (throws(Unprintable()), "crashed", "an exception that cannot be printed"),
    (throws(SystemExit(3)), "crashed", "SystemExit: 3"),
    (throws(GeneratorExit()), "crashed", "GeneratorExit"),
    (throws(MemoryError()), "crashed", "MemoryError"),
    (endless, "crashed", "RecursionError"),
    (lambda x: x, "crashed", "was called with the arguments of the stub, (x, t)"),
    (lambda x, t: Unreadable(), "wrong", "cannot be read"),
    (lambda x, t: [x[:, i::10] for i in range(10)], "wrong", "join the pieces with torch.stack or torch.cat"),
    (lambda x, t: "tubes", "wrong", "yours returned 'tubes'"),
    (lambda x, t: tubes(x, t).numpy(), "wrong", "one torch tensor (b*n, t, d); yours returned a NumPy array"),
    (lambda x, t: tubes(x, t).numpy().view(AlwaysEqual), "wrong", "one torch tensor (b*n, t, d); yours returned a"),
    (lambda x, t: np.array([object()]), "wrong", "a NumPy array of shape (1,) that holds objects"),
    (lambda x, t: np.array(["tubes"]), "wrong", "a NumPy array of shape (1,) that holds <U5"),
    (lambda x, t: tubes(x, t).bfloat16(), "wrong", "should be float32 like the input, yours is bfloat16"),
    (lambda x, t: torch.zeros(1, 1, 1).expand(10**4, 10**5, 4), "wrong", "yours has (10000, 100000, 4)"),  # 16 GB
    (throws(Leaving()), "crashed", "an exception that cannot be printed"),
    (lambda x, t: Odd(), "wrong", "an object of type Odd"),
    (lambda x, t: tubes(x, t).double(), "wrong", "should be float32 like the input, yours is float64"),
    (lambda x, t: tubes(x, t).bool(), "wrong", "yours is bool"),
    (lambda x, t: tubes(x, t).to(torch.complex64), "wrong", "yours is complex64"),
    (lambda x, t: tubes(x, t) / 0, "wrong", "nan or infinite"),
    (lambda x, t: tubes(x, t)[:1], "wrong", "= (b*n, t, d), yours has (1, "),
    (lambda x, t: tubes(x, t).transpose(0, 1), "wrong", "the same axes in another order"),
    (lambda x, t: tubes(x, t).flatten(1), "wrong", "as many numbers, grouped into other axes"),
    (lambda x, t: tubes(x, t).flip(1), "wrong", "tube 0 should hold place 0 of clip 0 in frames 0 to "),
    (lambda x, t: tubes(x, t).clamp(max=50), "wrong", "some numbers of `x` are missing in the result"),
    (lambda x, t: tubes(x, t) + 0.5, "wrong", "the result holds 0.5, which is nowhere in `x`"),
    (lambda x, t: tubes(x, t) + torch.rand(()), "wrong", "something in it is random"),
    (lambda x, t: torch.tensor(tubes(x, t).tolist()), "wrong", "no gradient reaches `x`"),
    (lambda x, t: tubes(x.add_(1) - 1, t), "wrong", "wrote into its argument `x`"),
    (lambda x, t: tubes(x, t).sum(), "wrong", "should have the shape"),
    (tubes(torch.zeros(1, 6, 2), 3), "crashed", "without calling them; for to_tubes it got a Tensor"),
    (torch.nn.Linear, "crashed", "the class Linear"),
])
def test_a_plain_sentence_for_every_odd_answer(answer, outcome, words):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = there(answer)
    assert report.outcome == outcome
    assert words in report.message
    assert repr(report).startswith({"crashed": "!", "wrong": "✗"}[outcome])
    assert outcome in report._repr_html_()


def test_an_answer_that_cannot_be_looked_at_crashes_by_itself():
    report = there(Odd())
    assert report.outcome == "crashed" and "Odd.__call__() takes 1 positional argument" in report.message


def test_the_learner_can_interrupt():
    with pytest.raises(KeyboardInterrupt):
        there(throws(KeyboardInterrupt()))


@pytest.mark.parametrize(("answer", "words"), [
    (lambda t, n: (t * n) ** 2, "two numbers, (joint, divided)"),
    (lambda t, n: ((t * n) ** 2, t * n * (t + n) + 0.5), "a count is a whole number"),
    (lambda t, n: ((t * n) ** 2, float("nan")), "look for a division by zero."),
    (lambda t, n: ((t * n) ** 2, t * n * (t + n) + 1), "must be a multiple of t·n = 30; 391 is not"),
    (lambda t, n: ((t * n) ** 2, "390"), "part [1] of the result of pairs should be a whole number; yours is '390'"),
    (lambda t, n: ((t * n) ** 2, 10**30), "yours is a number of more than 64 bits"),
    (lambda t, n: np.array([object(), None]), "a NumPy array of shape (2,) that holds objects"),
    (lambda t, n: ((t * n) ** 2, 2 * t * n * (t + n)), "you gave (900, 780), expected (900, 390)"),
])
def test_counts_are_told_apart(answer, words):
    report = check(COST, {**COST.right, "pairs": answer})
    assert report.outcome == "wrong" and words in report.message


def test_counts_may_be_tensors_arrays_or_whole_floats():
    right = COST.right
    for kind in (torch.tensor, np.array, list, lambda pair: tuple(map(float, pair))):
        answer = {**right, "pairs": lambda t, n, kind=kind: kind(right["pairs"](t, n))}
        assert check(COST, answer).outcome == "right"


def test_where_it_is_wrong_is_said():
    right = SPATIAL.right

    def half_the_cls(x, weights, t, heads):
        out = right["spatial_attention"](x, weights, t, heads)
        return torch.cat([out[:, :1] / 2, out[:, 1:]], dim=1)

    def second_clip(x, weights, t, heads):
        out = right["spatial_attention"](x, weights, t, heads)
        return torch.cat([out[:1], out[1:] * 2]) if len(x) > 2 else out

    message = check(SPATIAL, {**right, "spatial_attention": half_the_cls}).message
    assert "wrong: CLS; right: patches of frame 0, patches of frame 1, patches of frame 2" in message
    report = check(SPATIAL, {**right, "spatial_attention": second_clip}, seed=next(
        seed for seed in range(20) if len(prepare(SPATIAL, seed)[0][9].inputs["x"]) == 3))
    assert "wrong: clip 1, clip 2; right: clip 0" in report.message


def test_a_report_is_the_same_twice():
    for mutant in BLOCK.mutants[:3]:
        first, second = (check(BLOCK, BLOCK.functions_of(mutant)) for _ in range(2))
        assert repr(first) == repr(second) and first._repr_html_() == second._repr_html_()


def test_html_escapes_what_learners_write():
    def falls(x, t):
        raise ValueError("<script>alert(1)</script>")

    page = there(falls)._repr_html_()
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert '<th scope="col"' in page and "crashed" in page


def test_the_answer_meets_fresh_tensors_every_time():
    seen = []

    def keeps(x, t):
        seen.append(x)
        return tubes(x, t)

    assert there(keeps).outcome == "right"
    assert len({id(x) for x in seen}) == len(seen)
    assert all(isinstance(x, torch.Tensor) and x.dtype == torch.float32 for x in seen)
    assert sys.getrecursionlimit() >= 1000


def test_an_argument_that_is_spoilt_is_told():
    def spoils(x, weights, name, heads):
        out = SPATIAL.right["multi_head"](x, weights, name, heads)
        weights[f"{name}.proj.bias"] = None
        return out

    report = check(SPATIAL, {**SPATIAL.right, "multi_head": spoils})
    assert report.outcome == "wrong" and "wrote into its argument `weights`" in report.message


SETTINGS = {  # how a learner may have left the process, and how one sees it
    "gradients": (lambda: torch.set_grad_enabled(False), lambda: torch.set_grad_enabled(True), torch.is_grad_enabled),
    "device": (lambda: torch.set_default_device("meta"), lambda: torch.set_default_device(None),
               torch.get_default_device),
    "dtype": (lambda: torch.set_default_dtype(torch.float64), lambda: torch.set_default_dtype(torch.float32),
              torch.get_default_dtype),
    "precision": (lambda: torch.set_float32_matmul_precision("medium"),
                  lambda: torch.set_float32_matmul_precision("highest"), torch.get_float32_matmul_precision),
    "autocast": (lambda: torch.set_autocast_enabled("cpu", True), lambda: torch.set_autocast_enabled("cpu", False),
                 lambda: torch.is_autocast_enabled("cpu")),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_what_a_learner_has_set_neither_disturbs_a_check_nor_is_lost(name):
    change, back, state = SETTINGS[name]
    change()
    try:
        before = state()
        assert check(BLOCK, BLOCK.right).outcome == "right"
        assert state() == before
    finally:
        back()


def test_a_learners_random_numbers_and_an_answers_settings_stay_where_they_were():
    def meddles(x, t):
        torch.manual_seed(3)
        np.random.seed(3)
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(torch.get_num_threads() + 1)
        torch.set_grad_enabled(False)
        return tubes(x, t)

    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), torch.get_num_threads()
    there(meddles)
    assert torch.equal(torch.get_rng_state(), before[0]) and np.random.get_state()[1].tolist() == before[1]
    assert torch.get_num_threads() == before[2] and torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
