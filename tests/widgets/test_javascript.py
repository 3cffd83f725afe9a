"""The pure functions behind the explorers: percents, grids, maps read by rows and columns, the task; against Python."""

import itertools
import math
from fractions import Fraction

import pytest
import torch
from javascript import evaluate

from videoformer_edu.figures.cost import LINES
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets import ShownMap, Task
from videoformer_edu.widgets.payload import encode_map
from videoformer_edu.widgets.task import solutions

FRAMES = 8


def shares(heads, queries, grid, seed):
    """Random shares of attention, one column more for CLS, whose column is then left out."""
    logits = 3 * torch.randn(heads, queries, math.prod(grid) + 1, generator=torch.Generator().manual_seed(seed))
    return logits.softmax(-1)[:, :, 1:].unflatten(-1, grid)


MAPS = {  # sizes all different; queries and keys on grids of their own; with and without CLS
    "alike": ShownMap(shares(3, 1 + 8 * 2 * 5, (8, 2, 5), 0), Grid(8, 2, 5)),
    "pooled": ShownMap(shares(2, 4 * 4 * 3, (2, 2, 5), 1), Grid(4, 4, 3)),
    "finer keys": ShownMap(shares(1, 1 + 2 * 1 * 3, (8, 3, 4), 2), Grid(2, 1, 3), first_head=2),
}
ENTRIES = [{"label": name, "heads": len(m.shares), "firstHead": m.first_head, "queries": m.shares.shape[1],
            "grid": list(m.grid), "keys": list(m.keys)} for name, m in MAPS.items()]
BYTES = list(b"".join(encode_map(m.shares) for m in MAPS.values()))
READ = "attention.readMaps(entries, frames, Uint8Array.from(bytes))"


def read(expression):
    return evaluate(f"(() => {{ const maps = {READ}; return {expression}; }})()", entries=ENTRIES, frames=FRAMES,
                    bytes=BYTES)


def test_percents_have_a_decimal_where_they_are_small():
    given = [0, 0.0004, 0.0005, 1 / 64, 0.0994, 0.0996, 0.125, 0.996, 1]
    assert evaluate("given.map(numbers.percent)", given=given) == [
        "0 %", "under 0.1 %", "0.1 %", "1.6 %", "9.9 %", "10 %", "13 %", "100 %", "100 %"]


def test_whole_percents_sum_to_100_and_are_nearly_right():
    generator = torch.Generator().manual_seed(0)
    given = [torch.randint(0, 50, (length,), generator=generator).tolist() for length in range(1, 18)]
    given = [row if any(row) else [1, *row[1:]] for row in given]
    for row, whole in zip(given, evaluate("given.map(numbers.wholePercents)", given=given), strict=True):
        assert sum(whole) == 100
        exact = [Fraction(100 * share, sum(row)) for share in row]
        assert all(abs(percent - share) < 1 for percent, share in zip(whole, exact, strict=True))


def test_largest_remainders_get_what_is_missing():
    cases = [([1, 1, 1], [34, 33, 33]), ([335, 335, 330], [34, 33, 33]), ([0, 0, 5], [0, 0, 100]), ([0, 0], [0, 0])]
    given, expected = map(list, zip(*cases, strict=True))
    assert evaluate("given.map(numbers.wholePercents)", given=given) == expected


GRIDS = [(8, 2, 5), (4, 4, 3), (2, 1, 1), (1, 3, 7)]


def test_a_patch_has_the_place_that_numpy_gives_it():
    found = evaluate("grids.map((g) => { const grid = numbers.gridOf(g, 8); return Array.from({ length: grid.l },"
                     " (_, k) => [grid.step(k), grid.row(k), grid.column(k), grid.at(grid.step(k), grid.row(k),"
                     " grid.column(k))]); })", grids=GRIDS)
    for grid, rows in zip(GRIDS, found, strict=True):
        places = itertools.product(*map(range, grid))
        assert rows == [[*place, number] for number, place in enumerate(places)]


@pytest.mark.parametrize("source", GRIDS)
@pytest.mark.parametrize("target", GRIDS)
def test_a_patch_is_carried_to_the_one_that_covers_its_middle(source, target):
    found = evaluate("Array.from({ length: a[0] * a[1] * a[2] }, (_, k) =>"
                     " numbers.carry(k, numbers.gridOf(a, 8), numbers.gridOf(b, 8)))", a=source, b=target)
    expected = []
    for place in itertools.product(*map(range, source)):
        middle = [Fraction(2 * i + 1, 2 * size) for i, size in zip(place, source, strict=True)]
        at = [math.floor(m * size) for m, size in zip(middle, target, strict=True)]
        expected.append((at[0] * target[1] + at[1]) * target[2] + at[2])
    assert found == expected


def test_places_are_said_from_0_with_the_frames_that_a_step_covers():
    cases = [([-1], (8, 2, 5), 8), ([0, 57], (8, 2, 5), 8), ([0, 13], (4, 4, 3), 8), ([3], (4, 1, 1), 8),
             ([3], (8, 1, 1), 8), ([17], (1, 3, 7), 1)]
    found = evaluate("cases.map(([ks, grid, frames]) => ks.map((k) => numbers.place(k, numbers.gridOf(grid, frames))))",
                     cases=cases)
    assert found == [["CLS"], ["frame 0, row 0, column 0", "frame 5, row 1, column 2"],
                     ["frames 0 to 1, row 0, column 0", "frames 2 to 3, row 0, column 1"], ["frames 6 to 7"],
                     ["frame 3"], ["row 2, column 3"]]


@pytest.mark.parametrize("number", range(len(MAPS)), ids=list(MAPS))
def test_rows_and_columns_are_the_recorded_shares(number):
    """Both directions, every head, every patch and CLS, within the rounding that payload.py states."""
    shown = list(MAPS.values())[number]
    cls, shares = int(shown.cls), shown.shares.flatten(2).double()  # (head, q, l)
    rest, bound = 1 - shares.sum(-1), shares.amax(-1) / 510 + 2e-5
    table = "Array.from({ length: maps[%d].heads }, (_, i) => Array.from({ length: %d }, (_, k) => {" \
            "const one = maps[%d].%s(i, k - %d); return [...one.patches, one.cls]; }))"
    rows = torch.tensor(read(table % (number, shares.shape[1], number, "looks", cls)), dtype=torch.float64)
    assert ((rows[..., :-1] - shares).abs() <= bound[..., None]).all()
    assert ((rows[..., -1] - rest).abs() < 2e-5).all()

    columns = torch.tensor(read(table % (number, shares.shape[2] + cls, number, "looked", cls)), dtype=torch.float64)
    expected = torch.cat([rest[..., None], shares], -1) if cls else shares  # (head, q, [CLS +] l)
    patches = expected[:, cls:].transpose(1, 2)  # (head, [CLS +] l, q without CLS)
    assert ((columns[..., :-1] - patches).abs() <= bound[:, None, cls:]).all()
    if cls:
        assert ((columns[..., -1] - expected[:, 0]).abs() <= bound[:, :1]).all()
    assert read(f"[maps[{number}].largest, maps[{number}].firstHead]") == pytest.approx(
        [shares.max().item(), shown.first_head], abs=2e-5)


def test_the_mean_of_heads_is_their_mean():
    mean = read("(() => { const one = attention.mean([0, 1, 2].map((i) => maps[0].looks(i, 7)));"
                "return [...one.patches, one.cls]; })()")
    row = MAPS["alike"].shares[:, 8].flatten(1).double().mean(0)
    assert torch.tensor(mean[:-1]).double().sub(row).abs().max() < 0.002
    assert mean[-1] == pytest.approx(1 - row.sum().item(), abs=2e-5)
    assert read("attention.mean([null, maps[0].looks(0, 1)])") is None


def test_what_takes_no_part_is_null():
    """CLS where there is none, and a patch that was hidden from the model."""
    assert read("[maps[1].looks(0, -1), maps[1].looked(0, -1)]") == [None, None]
    hidden = torch.eye(4).unflatten(-1, (1, 2, 2))[None].clone()
    hidden[:, 2] = 0
    entry = {"label": "a", "heads": 1, "firstHead": 0, "queries": 4, "grid": [1, 2, 2], "keys": [1, 2, 2]}
    found = evaluate(f"((maps) => [0, 1, 2, 3].map((q) => maps[0].looks(0, q) !== null))({READ})",
                     entries=[entry], frames=1, bytes=list(encode_map(hidden)))
    assert found == [True, True, False, True]


def as_sent(shares):
    """Shares as they arrive, rounded as payload.py states."""
    scale = (shares.flatten(2).amax(-1) * 65535).ceil()[..., None, None, None] / 65535
    return (255 * shares / scale).round() / 255 * scale


@pytest.mark.parametrize("other_frame", [False, True])
def test_a_task_is_recognised_for_the_same_patches_as_in_python(other_frame):
    """Over every map, every head and their mean; the cells lie on a grid of their own."""
    cells = torch.rand(4, 3, 2, generator=torch.Generator().manual_seed(4)) < 0.4
    task = Task("Find it.", cells, "Found.", other_frame=other_frame)
    found = evaluate(
        f"{READ}.map((map) => Array.from({{ length: map.heads + 1 }}, (_, i) => Array.from({{ length: map.grid.l }},"
        " (_, q) => { const all = Array.from({ length: map.heads }, (_, head) => map.looks(head, q));"
        " const one = i ? all[i - 1] : attention.mean(all), best = one.patches.indexOf(Math.max(...one.patches));"
        " return numbers.solves(task, q, map.grid, best, map.keys); })))",
        entries=ENTRIES, frames=FRAMES, bytes=BYTES, task=task.settings())
    for shown, table in zip(MAPS.values(), found, strict=True):
        shown = shown._replace(shares=as_sent(shown.shares.double()))
        expected = solutions(task, shown, FRAMES)
        assert 0 < expected.sum() < expected.numel()
        rows = shown.shares[:, int(shown.cls):].flatten(2)  # (head, l, l')
        first, second = torch.cat([rows.mean(0, keepdim=True), rows]).topk(2).values.unbind(-1)
        clear = first - second > 1e-9  # between equals rounding decides
        assert clear.double().mean() > 0.9 and torch.tensor(table)[clear].equal(expected[clear])


def test_cls_does_no_task():
    task = Task("Find it.", torch.ones(1, 1, 1, dtype=torch.bool), "Found.").settings()
    assert evaluate("[[-1, 0], [0, -1], [0, 0]].map(([q, best]) => { const grid = numbers.gridOf([2, 2, 2], 2);"
                    " return numbers.solves(task, q, grid, best, grid); })", task=task) == [False, False, True]


@pytest.mark.parametrize(("asked", "words"), [
    (("looks", 1, 1), "The patch in frames 0 to 1, row 0, column 1 looks most at frame 3, row 1, column 2 of 2 × 4: "
                      "75 %. 25 % goes to no patch (padding)."),
    (("looks", 2, 0), "The patch in frames 0 to 1, row 0, column 2 looks at no patch."),
    (("looked", 30, 1), "The patch in frame 3, row 1, column 2 is looked at most by frames 0 to 1, row 0, column 1 of "
                        "1 × 3, which gives it 75 %."),
    (("looked", 29, 0), "No patch looks at the patch in frame 3, row 1, column 1."),
])
def test_what_is_seen_is_said(asked, words):
    way, k, best = asked
    patches = [0.0] * (6 if way == "looked" else 32)
    if best:
        patches[1 if way == "looked" else 30] = 0.75
        best = 1 if way == "looked" else 30
    answer = {"patches": patches, "cls": 0.25 if way == "looks" and best else 0}
    said = evaluate("attention.say({ grid: numbers.gridOf([2, 1, 3], 4), keys: numbers.gridOf([4, 2, 4], 4),"
                    " cls: false, label: 'a' }, looked, k, answer, best)",
                    looked=way == "looked", k=k, best=best, answer=answer)
    assert said == words


def test_ways_to_attend_have_the_colours_and_dashes_of_the_figures():
    roles = evaluate("kit.ROLES")
    assert {name: (role["colour"], role["dash"] == "") for name, role in roles.items()} == {
        name: (colour, dashes == "-") for name, (colour, dashes) in LINES.items()}
    assert len({role["dash"] for role in roles.values()}) == len(roles)
