"""Which scale saw it: who sees the digit is the same in the page, in Python and in plain loops; misuse is refused."""

import json

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from javascript import evaluate

from videoformer_edu.attention.pooling import Pooled
from videoformer_edu.attention.recording import AttentionMap
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets import maps_for_explorer, scales_explorer
from videoformer_edu.widgets.scales_explorer import on_digit, who_sees

CLIP = Grid(2, 4, 6)
PATTERNS = (Pooled((1, 4, 2)), Pooled((1, 2, 3), (1, 2, 2)))  # queries 4 x 6 on keys 1 x 3, queries 2 x 3 on keys 2 x 2
FRAMES = np.random.default_rng(0).integers(0, 90, (4, 32, 48, 3), np.uint8)
DIGIT = torch.zeros(4, 8, 12, dtype=torch.bool)
DIGIT[:2, :4, :4] = DIGIT[2:, :4, 6:] = True


def recorded(cls=1, heads=(1, 3)):
    generator = torch.Generator().manual_seed(4)
    maps = {}
    for i, (pattern, head) in enumerate(zip(PATTERNS, heads, strict=True)):
        rows, columns = pattern.query_grid(CLIP).l + cls, pattern.key_grid(CLIP).l + cls
        shares = torch.randn(2, 1, head, rows, columns, generator=generator).softmax(-1)
        maps[f"blocks.{i}.attention"] = AttentionMap(f"blocks.{i}.attention", shares, pattern, CLIP)
    return maps


def settings(explorer) -> dict:
    return json.loads(BeautifulSoup(explorer.html, "html.parser").select_one("[data-config]")["data-config"])


def test_a_key_is_on_the_digit_when_half_of_it_is():
    cells = on_digit(DIGIT, Grid(2, 2, 3))
    assert cells.tolist() == [[[True, False, False], [False] * 3], [[False, True, True], [False] * 3]]
    assert not on_digit(DIGIT, Grid(2, 1, 1)).any()  # a sixth and a quarter of it
    assert on_digit(DIGIT, Grid(2, 1, 2)).tolist() == [[[False, False]], [[False, True]]]


@pytest.mark.parametrize("cls", [0, 1])
def test_who_sees_it(cls):
    for m in maps_for_explorer(recorded(cls), b=1).values():
        cells, found = on_digit(DIGIT, m.keys), who_sees(m, on_digit(DIGIT, m.keys))
        table = m.shares[:, cls:].flatten(2)
        for k in range(m.grid.l):
            for i, row in enumerate([table[:, k].mean(0), *table[:, k]]):
                best = max(range(m.keys.l), key=row.tolist().__getitem__)
                there, own = divmod(best, m.keys.n)[0], k // m.grid.n
                assert found[i, k] == (bool(cells.flatten()[best]) and there != own)


def test_the_page_agrees_with_python():
    config = settings(scales_explorer(FRAMES, recorded(), digit=DIGIT, b=1, alt="frames"))
    shown = maps_for_explorer(recorded(), b=1).values()
    for entry, digit, m in zip(config["maps"], config["digit"], shown, strict=True):
        assert (tuple(entry["grid"]), tuple(entry["keys"]), entry["heads"]) == (m.grid, m.keys, len(m.shares))
        best = m.shares[:, 1:].mean(0).flatten(1).argmax(-1).tolist()
        seen = evaluate("(() => { const map = { grid: numbers.gridOf(grid, 4), keys: numbers.gridOf(keys, 4) };"
                        "return best.map((key, k) => scales.saw(map, digit, k, key)); })()",
                        grid=list(m.grid), keys=list(m.keys), digit=digit, best=best)
        assert seen == who_sees(m, on_digit(DIGIT, m.keys))[0].tolist()


def test_the_words():
    map_ = "{ label: 'block 1', heads: 3, grid: numbers.gridOf([2, 2, 3], 4), keys: numbers.gridOf([2, 1, 3], 4) }"
    assert evaluate(f"scales.say({map_}, -1, 8, 1, 0.25, true, 32)") == (
        "block 1, mean of 3 heads: the 16-pixel patch in frames 2 to 3, row 0, column 2 looks most at a box of 32 "
        "pixels: frames 0 to 1, row 0, column 1 of 1 × 3, 25 %. That is the digit, in another step.")
    assert evaluate(f"scales.say({map_}, 2, 8, 1, 0.25, false, 32)").startswith("block 1, head 2: the 16-pixel patch")


@pytest.mark.parametrize(("changes", "message"), [
    (dict(digit=DIGIT.float()), "digit is bool"), (dict(digit=DIGIT & False), "at least one True"),
    (dict(start=(0, 4, 0)), "not on the grid"), (dict(frames=FRAMES[:3]), "share out 3 frames"),
    (dict(maps=[recorded()["blocks.0.attention"]]), "at least two sizes"),
    (dict(digit=torch.ones(2, 1, 1, dtype=torch.bool) & torch.tensor([[[True]], [[False]]])), "nobody can do the task"),
])
def test_what_does_not_fit_is_refused(changes, message):
    given = dict(frames=FRAMES, maps=recorded(), digit=DIGIT, alt="frames") | changes
    if "nobody" in message:  # all look at their own step alone
        for m in given["maps"].values():
            own = torch.arange(m.grid.l)[:, None] // m.grid.n == torch.arange(m.key_grid.l) // m.key_grid.n
            m.probabilities[..., 1:, 1:] *= own
    with pytest.raises(ValueError, match=message):
        scales_explorer(given.pop("frames"), given.pop("maps"), **given)
