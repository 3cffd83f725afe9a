"""Two checkouts side by side: a slower one is found, a different one is refused. The checkouts here are stubs."""

import pytest
import torch
from test_peers import ROOT, bench_module

from videoformer_edu import models

against = bench_module("against")
CASE = against.Case("small", {"width": 40}, (4, 3, 2, 8, 8))
STUB = """
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first, self.last = nn.Linear(384, width), nn.Linear(width, 7)
        torch.randn({repeats})  # each checkout draws as much as it likes

    def forward(self, x):
        for _ in range({repeats}):
            out = self.last(torch.relu(self.first(x.flatten(1)))) * {factor}
        return out

def small(*, width):
    return Small(width)
"""


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(against, "STARTS", 1)
    monkeypatch.setattr(against, "LEAST", 0.03)


def checkout(folder, repeats=1, factor=1.0):
    package = folder / "videoformer_edu"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(STUB.format(repeats=repeats, factor=factor))
    return folder


def test_the_faster_of_two_checkouts_is_known_whichever_comes_first(tmp_path):
    slow, fast = checkout(tmp_path / "slow", repeats=40), checkout(tmp_path / "fast", repeats=2)
    for old, new, faster in ((slow, fast, True), (fast, slow, False)):
        rows = list(against.compare(old, new, [CASE], rounds=2))
        assert [(row.case, row.mode) for row in rows] == [(CASE, "forward"), (CASE, "training step")]
        forward = rows[0]
        assert forward.ratios[1] > 3 if faster else forward.ratios[1] < 1 / 3
        assert (forward.old > forward.new) is faster


def test_checkouts_that_compute_different_things_are_not_timed(tmp_path):
    one, other = checkout(tmp_path / "one"), checkout(tmp_path / "other", factor=1.01)
    with pytest.raises(SystemExit, match=r"small: with the same weights the logits differ by 1\.0e-02"):
        list(against.compare(one, other, [CASE], rounds=1))
    with pytest.raises(SystemExit, match="holds no videoformer_edu"):
        list(against.compare(tmp_path, other, [CASE], rounds=1))
    with pytest.raises(SystemExit, match="failed at"), against.Checkout(one) as process:
        process.prepare(against.Case("missing", {}, (1, 2)))


def test_the_bound_decides_the_exit_code(tmp_path, monkeypatch, capsys):
    """Of each row by its median; what is compared and how is seen above and below."""
    rows = [against.Measured(CASE, mode, 0.5, 0.4, (low, median, 9.0))
            for mode, low, median in zip(against.MODES, (0.5, 0.9), (1.2, 0.96), strict=True)]
    monkeypatch.setattr(against, "compare", lambda *given: given == (tmp_path, against.ROOT, [CASE], 2) and rows)
    monkeypatch.setitem(against.CASES, "small", [CASE])
    assert against.run(tmp_path, ["small"], rounds=2, bound=0.96) == 0
    assert against.run(tmp_path, ["small"], rounds=2) == 0
    assert "slower" not in capsys.readouterr().out
    assert against.run(tmp_path, ["small"], rounds=2, bound=0.97) == 1
    assert "slower than the bound 0.97 allows: small training step: 0.960\n" in capsys.readouterr().out


@pytest.mark.slow
def test_this_checkout_beside_itself(capsys, monkeypatch):
    first, *_ = against.CASES["small"]
    monkeypatch.setitem(against.CASES, "small", [first])
    assert against.run(ROOT, ["small"], rounds=1, bound=0.01) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split()[:3] for row in rows] == [[first.builder, "small", mode] for mode in ("forward", "training")]


@pytest.mark.parametrize("size", against.BUILDERS)
def test_every_case_is_a_model_and_its_clips(size):
    """Those of the base size without numbers: no memory is asked for."""
    assert [case.builder for case in against.CASES[size]] == list(against.BUILDERS[size])
    for case in against.CASES[size]:
        with torch.device("meta" if size == "base" else "cpu"), torch.inference_mode():
            logits = getattr(models, case.builder)(**case.options).eval()(torch.empty(case.clips).normal_())
        assert logits.ndim == 2 and len(logits) == case.clips[0]
