"""The reach of the explorer against the package's: the same tables, the same blocks in turn, every token."""

import html
import itertools
import json
import re

import numpy as np
import pytest
import torch
from javascript import evaluate

from videoformer_edu.attention.patterns import Pattern, Place
from videoformer_edu.attention.reach import blocks_until_all, hops, pairs_of
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets.reach_explorer import (
    ATTENTIONS,
    BLOCKS,
    GRID,
    fewest_pairs,
    reach_explorer,
    reach_table,
    target_tokens,
)

PAIRS = list(itertools.islice(itertools.product(BLOCKS, repeat=2), 0, None, 5))
BYTES = list(b"".join(np.packbits(reach_table(step), axis=1, bitorder="little").tobytes() for step in ATTENTIONS))

GIVEN = [[[ATTENTIONS.index(step) for step in BLOCKS[name]] for name in two] for two in PAIRS]


def asked(expression, **values):
    """`expression` where `tables` are those of the page; `asked` the blocks of PAIRS."""
    return evaluate(f"(() => {{ const tables = reach.unpack(Uint8Array.from(bytes), {GRID.l}, {len(ATTENTIONS)});"
                    f" const asked = {json.dumps(GIVEN)}.map((two) => two.map((one) => one.map((i) => tables[i])));"
                    f" return {expression}; }})()", bytes=BYTES, **values)


def test_tables_arrive_as_they_are():
    found = asked(f"tables.map((one) => one.looks.map((set) => Array.from({{ length: {GRID.l} }}, (_, k) =>"
                  " (set[k >> 5] >>> (k & 31)) & 1)))")
    looked = asked(f"tables.map((one) => one.looked.map((set) => Array.from({{ length: {GRID.l} }}, (_, k) =>"
                   " (set[k >> 5] >>> (k & 31)) & 1)))")
    for step, rows, columns in zip(ATTENTIONS, found, looked, strict=True):
        may = reach_table(step)
        assert (np.array(rows, bool) == may).all() and (np.array(columns, bool) == may.T).all()


def test_everyone_and_everything_as_in_the_package():
    queries, count = [0, 12, 77, 127], 5
    until = asked(f"asked.map((two) => reach.untilAll(two, {GRID.l}))")
    when = asked(f"asked.map((two) => queries.map((q) => [false, true].map((looked) => "
                 f"reach.after(two, {GRID.l}, q, {count}, looked))))", queries=queries)
    assert sum(a != b and len(BLOCKS[a]) > 1 for a, b in PAIRS) > 5, "blocks of several attentions are among them"
    for (a, b), number, rows in zip(PAIRS, until, when, strict=True):
        blocks = [BLOCKS[a], BLOCKS[b]]
        assert (None if number < 0 else number) == blocks_until_all(blocks, GRID), (a, b)
        after = hops(blocks, GRID)
        after[after > count] = -1
        for q, (looks, looked) in zip(queries, rows, strict=True):
            assert looks == after[q].tolist() and looked == after[:, q].tolist(), (a, b, q)


class Distances(Pattern):
    def __init__(self, distances):
        self.distances = distances

    def looks(self, query: Place, key: Place, grid: Grid):
        return torch.stack([(key.t - query.t == t) & (key.h - query.h == h) & (key.w - query.w == w)
                            for t, h, w in self.distances]).any(0)

    def pairs(self, grid):
        return int(self.allowed(grid).sum())

    groups = None


Distances.__abstractmethods__ = frozenset()


@pytest.mark.parametrize("distances", [[(0, 0, 0)], [(0, 0, 0), (1, 0, 0), (-2, 1, -1)], [(3, 0, 2), (0, -1, 0)]])
def test_a_painted_pattern_is_its_distances(distances):
    pattern = Distances(distances)
    found = evaluate(f"(() => {{ const grid = numbers.gridOf({list(GRID)}, 8), made = reach.painted(grid, given);"
                     f" return {{ pairs: made.pairs, until: reach.untilAll([[made]], grid.l),"
                     f" when: reach.after([[made]], grid.l, 50, 4, false) }}; }})()",
                     given=[",".join(map(str, one)) for one in distances])
    after = hops([pattern], GRID)
    until = blocks_until_all([pattern], GRID)
    assert found["pairs"] == pattern.pairs(GRID) and found["until"] == (-1 if until is None else until)
    assert found["when"] == torch.where(after[50] > 4, -1, after[50]).tolist()


def test_the_task_can_be_done_and_is_not_done_from_the_start():
    config = settings()
    assert config["fewest"] == fewest_pairs() == 128 * (8 + 4 + 4)  # axial, one block
    start = hops([BLOCKS[config["labels"][config[name]]] for name in ("first", "then")], GRID)[config["from"]]
    assert not ((start >= 0) & (start <= config["within"]))[target_tokens()].all()


def test_a_block_pays_for_all_of_its_attentions():
    config = settings()
    assert config["pairs"] == [pairs_of(step, GRID) for step in ATTENTIONS]
    assert [[ATTENTIONS[i] for i in block] for block in config["blocks"]] == list(BLOCKS.values())
    assert max(map(len, config["blocks"])) == 3
    found = evaluate("given.map((two) => [0, 1, 2, 5].map((count) => reach.bill(two, count)))", given=[
        [[{"pairs": config["pairs"][i]} for i in config["blocks"][list(BLOCKS).index(name)]] for name in two]
        for two in PAIRS])
    for two, rows in zip(PAIRS, found, strict=True):
        for count, (pairs, attentions) in zip([0, 1, 2, 5], rows, strict=True):
            blocks = [BLOCKS[two[i % 2]] for i in range(count)]
            assert attentions == sum(map(len, blocks))
            assert pairs == sum(pairs_of(block, GRID) for block in blocks), (two, count)


def settings():
    return json.loads(html.unescape(re.search(r'data-config="([^"]*)"', reach_explorer().html)[1]))


def test_the_page_stays_small():
    assert len(reach_explorer().html) < 60_000
