"""Who looks at whom in the explorer of the shift, against the pattern of the package; the task is not done before."""

import html
import json
import re

import pytest
from javascript import evaluate

from videoformer_edu.attention import LocalWindow
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets.shift_explorer import shift_explorer

SIZES = [(8, 4), (6, 3), (6, 2), (5, 5)]


@pytest.mark.parametrize(("size", "inside"), SIZES)
def test_the_mask_makes_the_rolled_windows_those_of_the_pattern(size, inside):
    given = list(range(inside)) if size > inside else [0]
    found = evaluate(f"given.map((s) => Array.from({{ length: {size**2} }}, (_, q) => "
                     f"shift.keys(q, {{ size: {size}, inside: {inside} }}, s, true)))", given=given)
    for by, rows in zip(given, found, strict=True):
        allowed = LocalWindow((1, inside, inside), (0, by, by)).allowed(Grid(1, size, size))
        assert rows == [row.nonzero().flatten().tolist() for row in allowed]


def test_without_the_mask_a_window_is_whole_and_mixes_what_was_apart():
    found = evaluate("given.map((q) => shift.keys(q, { size: 8, inside: 4 }, 2, false).length)", given=list(range(64)))
    assert found == [16] * 64
    pairs = evaluate("given.map((s) => [true, false].map((m) => shift.pairs({ size: 8, inside: 4 }, s, m)))",
                     given=[0, 1, 2, 3])
    assert pairs == [[LocalWindow((1, 4, 4), (0, s, s)).pairs(Grid(1, 8, 8)), 1024] for s in range(4)]


def test_the_roll_goes_there_and_back():
    offsets = evaluate("given.map((step) => shift.offset(step, 2))", given=list(range(12)))
    assert offsets == [0, 0.5, 1, 1.5, 2, 2, 2, 2, 1.5, 1, 0.5, 0]


def test_the_task_needs_another_shift_and_a_corner():
    config = json.loads(html.unescape(re.search(r'data-config="([^"]*)"', shift_explorer().html)[1]))
    alone = evaluate("given.map((s) => Array.from({ length: 64 }, (_, q) => q).filter((q) => "
                     "shift.keys(q, { size: 8, inside: 4 }, s, true).length === 1))", given=[0, 1, 2, 3])
    assert alone == [[], [0], [], [63]] and config["shift"] == 2


def test_the_page_stays_small():
    assert len(shift_explorer().html) < 170_000
