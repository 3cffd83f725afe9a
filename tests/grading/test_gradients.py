"""Gradients are compared by value: whatever is cut off on the way is found, and said where."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.grading.check import check
from videoformer_edu.grading.spec import Case, Exercise
from videoformer_edu.sheets import load

TUBES, SPATIAL, BLOCK, COST = load("04").exercises
EDITS = {  # the values stay right, the gradients do not
    "q": ("scores = q @", "scores = q.detach() @"),
    "softmax": ("out = scores.softmax(dim=-1) @", "out = scores.softmax(dim=-1).detach() @"),
    "bias": ('@ v  # (g', '@ v + 0 * weights[f"{name}.proj.bias"].sum().detach()  # (g'),
    "CLS": ("copies = cls.repeat", "copies = cls.detach().repeat"),
    "half": ("frames = torch.cat([copies,", "patches = torch.cat([patches[:, :2].detach(), patches[:, 2:]], dim=1)\n"
             "    frames = torch.cat([copies,"),
    "mean": (".mean(dim=1)", ".detach().mean(dim=1)"),
}


def report_of(*edits, exercise=SPATIAL, seed=0):
    from videoformer_edu.grading.spec import Mutant

    return check(exercise, exercise.functions_of(Mutant("detached", edits, "s")), seed=seed)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", [name for name in EDITS if name != "bias"])
def test_what_is_detached_is_found(name, seed):
    report = report_of(EDITS[name], seed=seed)
    assert report.outcome == "wrong" and report.mistake is None
    assert "is not the right one" in report.message and "`x`" in report.message
    assert [c.rung for c in report.checks if not c.passed] == ["gradient"] or name in ("q", "softmax")


def test_a_detach_that_cuts_nothing_off_is_right():
    assert report_of(EDITS["bias"]).outcome == "right"


def test_where_a_gradient_leaves_off_is_said():
    assert "is not the right one (none at all at CLS)" in report_of(EDITS["CLS"], EDITS["mean"]).message


@pytest.mark.parametrize(("line", "words"), [
    ("x = x + spatial_attention(", "with torch.no_grad():\n        x = x + spatial_attention("),
    ("hidden = F.gelu(", "with torch.no_grad():\n        hidden = F.gelu("),
    ("tubes = multi_head(tubes,", "with torch.no_grad():\n        tubes = multi_head(tubes,"),
])
def test_a_part_of_the_block_without_gradients_is_found(line, words):
    report = report_of((line, words), exercise=BLOCK)
    assert report.outcome == "wrong" and "divided_block are right, but it could not be trained" in report.message


def test_weights_may_be_copied_but_not_changed_on_the_way():
    def copies(x, weights, name):
        module = torch.nn.LayerNorm(x.shape[-1], eps=1e-6)
        module.load_state_dict({part: weights[f"{name}.{part}"] for part in ("weight", "bias")})
        return module(x)

    def doubles(x, weights, name):
        scale, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return F.layer_norm(x, x.shape[-1:], 2 * scale - scale.detach(), shift, eps=1e-6)

    assert check(BLOCK, BLOCK.right | {"norm": copies}).outcome == "right"
    message = check(BLOCK, BLOCK.right | {"norm": doubles}).message
    assert "the gradient at `weights['" in message and ".weight']` is not the right one" in message


@pytest.mark.parametrize(("break_off", "words"), [
    (lambda x: x.detach(), "no gradient reaches `x`"),
    (lambda x: torch.from_numpy(x.numpy()), "Can't call numpy() on Tensor that requires grad"),
    (lambda x: torch.tensor(x.tolist()), "no gradient reaches `x`"),
])
def test_cut_off_altogether(break_off, words):
    def there(x, t):
        return rearrange(break_off(x), "b (t n) d -> (b n) t d", t=t)

    report = check(TUBES, TUBES.right | {"to_tubes": there})
    assert report.outcome == "wrong" and words in report.message
    assert report.message.endswith("from_tubes: right.")
    assert 0 < report.points < report.out_of


def exercise_of(function, oracle, inputs, **facts):
    cases = [Case("one", function.__name__, inputs, "it holds")]
    return Exercise(**{"id": "97.1", "title": "T", "difficulty": 1, "minutes": 1, "points": 1, "why": "w.",
                       "objectives": ("o",), "answer": (function,), "hints": ("a", "b", "c"), "mutants": (),
                       "styles": (), "cases": lambda rng: cases, "oracle": oracle} | facts)


def test_tuples_and_dicts_have_gradients_and_whole_numbers_have_none():
    def split(pair, k):
        """pair of (3,) -> their sum and product, and where the largest stands."""
        return {"sum": pair[0] + pair[1], "parts": (k * pair[0] * pair[1], pair[0].argmax())}

    def oracle(case):
        a, b = case.inputs["pair"]
        return {"sum": a + b, "parts": (case.inputs["k"] * a * b, int(a.argmax()))}

    def cut(pair, k):
        return split((pair[0], pair[1].detach()), k)

    inputs = {"pair": (np.array([1, 5, 2], np.float32), np.array([0.5, 1, 3], np.float32)), "k": 0.5}
    exercise = exercise_of(split, oracle, inputs)
    assert check(exercise, {"split": split}).outcome == "right"
    assert "no gradient reaches `pair[1]`" in check(exercise, {"split": cut}).message
    assert check(exercise_of(split, oracle, inputs, differentiable=False), {"split": cut}).outcome == "right"
    assert check(exercise_of(split, oracle, inputs, differentiable=("split",)), {"split": cut}).outcome == "wrong"


def test_gradients_are_compared_on_every_case_that_asks_for_it():
    def gated(x, weights):
        """x (n,) -> weights["gate.scale"] x + weights["gate.shift"], unless that is nothing."""
        return x + x * weights["gate.scale"] + weights["gate.shift"]

    def skipped(x, weights):
        return x if not any(map(torch.any, weights.values())) else gated(x, weights)

    x, gate = np.linspace(1, 2, 5, dtype=np.float32), np.ones(1, np.float32)
    cases = [Case(name, "gated", {"x": x, "weights": {"gate.scale": size * gate, "gate.shift": 2 * size * gate}},
                  "it adds up", gradient=True) for name, size in (("open", 1), ("closed", 0))]

    def oracle(case):
        weights = case.inputs["weights"]
        return case.inputs["x"].astype(float) * (1 + weights["gate.scale"]) + weights["gate.shift"]

    exercise = exercise_of(gated, oracle, {}, cases=lambda rng: cases)
    assert check(exercise, {"gated": gated}).outcome == "right"
    assert "reaches `weights['gate.scale']` and `weights['gate.shift']`" in check(exercise, {"gated": skipped}).message
    bias = check(exercise, {"gated": lambda x, weights: gated(x, weights | {"gate.scale": weights["gate.scale"].data})})
    assert "no gradient reaches `weights['gate.scale']`" in bias.message
    copied = check(exercise, {"gated": lambda x, weights: gated(x, {k: v.data for k, v in weights.items()})})
    assert copied.outcome == "right" and "loaded as copies" in copied.checks[-1].sentence


def test_an_answer_that_is_right_without_gradients_only_is_wrong():
    def there(x, t):
        return TUBES.right["to_tubes"](x, t) * (1 + x.requires_grad)

    assert "two calls of to_tubes" in check(TUBES, TUBES.right | {"to_tubes": there}).message
