"""Where did time come in: what the page reads and says is what Python counted; what does not fit is refused."""

import re

import numpy as np
import pytest
import torch
from javascript import evaluate

from videoformer_edu.attention.patterns import Full, Spatial, Temporal, factorised_dot_product
from videoformer_edu.attention.reach import reach
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets import mixing_explorer
from videoformer_edu.widgets.mixing_explorer import encode, late_model

GRID = Grid(2, 2, 3)
STAGES = ("tubelets", "block 0", "answer")
BLOCKS = {"joint": Full(), "late": Spatial(), "both": [Spatial(), Temporal()], "heads": factorised_dot_product(2)}
FRAMES = np.random.default_rng(0).integers(0, 90, (4, 24, 36, 3), np.uint8)


def changes(*names):
    """Changes of random sizes wherever the wiring allows one."""
    generator = torch.Generator().manual_seed(3)

    def sizes(heard):
        return heard * (0.1 + torch.rand(heard.shape, generator=generator, dtype=torch.float64))

    return {name: {"tubelets": sizes(torch.eye(GRID.l)), "block 0": sizes(reach(BLOCKS[name], GRID).double()),
                   "answer": sizes(torch.ones(1, GRID.l))} for name in names}


def test_the_page_reads_what_was_packed():
    given = changes("joint", "late")
    data = list(b"".join(encode(change) for stages in given.values() for change in stages.values()))
    read = evaluate("(() => { const grid = numbers.gridOf(shape, 4);"
                    "const all = mixing.readChanges(['joint', 'late'], stages, grid, Uint8Array.from(bytes));"
                    "return all.map((one) => one.map((row) => Array.from({length: grid.l}, (_, k) => [...row(k)])));"
                    "})()", bytes=data, shape=list(GRID), stages=list(STAGES))
    for model, stages in zip(read, given.values(), strict=True):
        for rows, change in zip(model, stages.values(), strict=True):
            found = torch.tensor(rows) / 255
            expected = (change / change.amax(1, keepdim=True)).expand(GRID.l, -1)
            assert (found - expected).abs().max() <= 1 / 255
            assert torch.equal(found > 0, expected > 0), "no change and a small one are never mistaken"


def test_a_change_below_rounding_is_none_and_a_tiny_one_is_kept():
    packed = np.frombuffer(encode(torch.tensor([[1.0, 1e-15, 1e-9, 0.0]], dtype=torch.float64)), np.uint8)
    assert packed.tolist() == [255, 0, 1, 0]


@pytest.mark.parametrize("name", BLOCKS)
def test_what_is_counted_is_what_the_wiring_allows(name):
    allowed, query = reach(BLOCKS[name], GRID), 7  # step 1
    counted = evaluate("mixing.heard(Uint8Array.from(row), numbers.gridOf(shape, 4), 1)", shape=list(GRID),
                       row=(200 * allowed[query]).int().tolist())
    assert counted["tubelets"] == int(allowed[query].sum())
    assert counted["elsewhere"] == int(allowed[query, :6].sum()) and counted["steps"] == 1 + bool(counted["elsewhere"])


def test_the_largest_change_by_another_sets_the_scale():
    given = [[[9, 3, 5], 0], [[9, 0, 0], 0], [[9, 3, 5], -1]]
    assert evaluate("given.map(([values, own]) => mixing.largest(values, own))", given=given) == [5, 9, 9]


def test_the_words():
    say = "mixing.say('model 2', 'block 1', last, 7, numbers.gridOf(shape, 4), counted)"
    own = {"tubelets": 6, "steps": 1, "elsewhere": 0}
    assert evaluate(say, last=False, shape=list(GRID), counted=own) == (
        "model 2, block 1: the token in frames 2 to 3, row 0, column 1 has heard of 6 of 12 tubelets, "
        "all of its own step.")
    every = {"tubelets": 12, "steps": 2, "elsewhere": 6}
    assert evaluate(say, last=True, shape=list(GRID), counted=every) == (
        "model 2, block 1: what the head reads has heard of 12 of 12 tubelets, from 2 of 2 steps.")


def test_the_late_model_is_found_wherever_it_stands():
    assert late_model(changes("joint", "both", "late", "heads"), GRID) == 2
    for names in (("joint", "both"), ()):
        with pytest.raises(ValueError, match="there are 0"):
            late_model(changes(*names), GRID)


def test_it_is_an_explorer_with_a_question_and_a_still_picture():
    explorer = mixing_explorer(FRAMES, changes(*BLOCKS), GRID, start=(1, 0, 2), alt="Four frames")
    assert explorer.title == "Where did time come in?" and 'alt="Four frames"' in explorer.html
    assert re.search(r"&quot;late&quot;: 1,", explorer.html) and len(explorer.html) < 120_000


@pytest.mark.parametrize("change, message", [
    (dict(grid=Grid(3, 2, 2)), "cannot be shared out among 3"),
    (dict(start=(0, 2, 0)), "not on the grid"),
    (dict(changes={**changes("joint"), "late": {"tubelets": torch.eye(12)}}), "late has the stages tubelets"),
    (dict(changes=changes("late")), "expected several models"),
    (dict(changes={**changes("joint", "late"), "odd": dict.fromkeys(STAGES, torch.eye(12))}), r"expected \(1, 12\)"),
])
def test_what_does_not_fit_is_refused(change, message):
    given = dict(changes=changes("joint", "late"), grid=GRID, start=(0, 0, 0)) | change
    with pytest.raises(ValueError, match=message):
        mixing_explorer(FRAMES, given["changes"], given["grid"], start=given["start"], alt="Four frames")
