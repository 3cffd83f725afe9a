"""Reach against a walk from token to token, against counted paths, and against gradients of the real modules."""

import pytest
import torch

from videoformer_edu.attention import (
    Axial,
    FactorisedDotProductAttention,
    Full,
    GlobalSpatial,
    LocalTemporal,
    LocalWindow,
    SparseAttention,
    Spatial,
    SpatialAttention,
    StridedTemporal,
    Temporal,
    TemporalAttention,
)
from videoformer_edu.attention.patterns import factorised_dot_product
from videoformer_edu.attention.reach import blocks_until_all, hops, pairs_of, reach
from videoformer_edu.tokens import Grid

GRIDS = [Grid(5, 2, 3), Grid(3, 4, 2), Grid(1, 2, 5), Grid(4, 1, 1)]
WINDOWS = [LocalWindow((2, 2, 2)), LocalWindow((2, 2, 2), (1, 1, 1))]
BLOCKS = {
    "joint": [Full()],
    "divided": [[Temporal(), Spatial()]],
    "space alone": [Spatial()],
    "axial": [[Axial("t"), Axial("h"), Axial("w")]],
    "axes in turn": [Axial("t"), Axial("h"), Axial("w")],
    "windows": WINDOWS,
    "heads": [factorised_dot_product(4)],
    "near frames": [[LocalTemporal(3), GlobalSpatial(2)]],
    "every second frame": [StridedTemporal(2), Spatial()],
}


def walked(blocks, grid, start):
    """After how many blocks token `start` can have heard each, by walking back from it, key by key, in plain Python."""
    found = {start: 0}
    for last in range(1, 3 * grid.l):  # walk backwards through the `last` blocks
        here = {start}
        for number in reversed(range(last)):
            block = blocks[number % len(blocks)]
            for step in reversed(block if isinstance(block, list) else [block]):
                heads = step if isinstance(step, tuple) else (step,)
                tables = [head.allowed(grid).tolist() for head in heads]
                here |= {k for q in here for table in tables for k in range(grid.l) if table[q][k]}
        for k in here:
            found.setdefault(k, last)
        if last > 2 * len(blocks) and len(here) == grid.l:
            break
    return [found.get(k, -1) for k in range(grid.l)]


@pytest.mark.parametrize("grid", [Grid(3, 2, 2), Grid(2, 1, 3)])
@pytest.mark.parametrize("name", BLOCKS)
def test_hops_are_those_of_a_walk(name, grid):
    after = hops(BLOCKS[name], grid)
    for start in (0, grid.l // 2, grid.l - 1):
        assert after[start].tolist() == walked(BLOCKS[name], grid, start)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", BLOCKS)
def test_hops_and_reach_agree(name, grid):
    blocks, after = BLOCKS[name], hops(BLOCKS[name], grid)
    assert after.dtype == torch.long and (after.diagonal() == 0).all()
    heard = None
    for number in range(1, int(after.max()) + 3):
        heard = reach(blocks[(number - 1) % len(blocks)], grid, heard)
        assert torch.equal(heard, (after >= 0) & (after <= number))
    everyone = blocks_until_all(blocks, grid)
    assert everyone == (None if (after == -1).any() else int(after.max()))


def test_known_numbers():
    grid = Grid(8, 4, 4)
    assert blocks_until_all([Full()], grid) == 1
    assert blocks_until_all([[Temporal(), Spatial()]], grid) == 1
    assert blocks_until_all([Temporal(), Spatial()], grid) == 2
    assert blocks_until_all([factorised_dot_product(4)], grid) == 2
    assert blocks_until_all([[Axial("t"), Axial("h"), Axial("w")]], grid) == 1
    assert blocks_until_all([Spatial()], grid) is None and blocks_until_all([LocalWindow((2, 2, 2))], grid) is None
    assert blocks_until_all([[LocalTemporal(3), Spatial()]], grid) == 7  # a frame a block, and frame 7 is far away
    assert blocks_until_all([Full()], Grid(1, 1, 1)) == 0


def test_order_matters_for_what_a_token_has_heard():
    grid, (plain, shifted) = Grid(5, 3, 4), WINDOWS
    first, second = reach([plain, shifted], grid), reach([shifted, plain], grid)
    assert not torch.equal(first, second) and torch.equal(first, second.T)  # both tables are symmetric
    assert torch.equal(first, shifted.allowed(grid).long() @ plain.allowed(grid).long() > 0)  # the last one outside


@pytest.mark.parametrize("name", ["divided", "heads", "windows", "axial", "near frames"])
def test_gradient_is_zero_exactly_where_nothing_can_be_heard(name):
    """The real modules, with residuals, random weights, in float64."""
    grid, blocks = Grid(4, 3, 4), BLOCKS[name]
    torch.manual_seed(0)
    x = torch.randn(1, grid.l, 8, dtype=torch.float64, requires_grad=True)
    out, heard = x, None
    for number in range(2):
        block = blocks[number % len(blocks)]
        for step in block if isinstance(block, list) else [block]:
            out = out + module_of(step).double()(out, grid)
        heard = reach(block, grid, heard)
        felt = torch.stack([torch.autograd.grad(out[0, q].sum(), x, retain_graph=True)[0][0].abs().sum(-1)
                            for q in range(grid.l)])
        assert torch.equal(felt > 0, heard)
    assert 0 < heard.sum() <= grid.l**2


def module_of(step):
    if isinstance(step, tuple):
        return FactorisedDotProductAttention(width=8, heads=len(step))
    special = {Temporal: TemporalAttention, Spatial: SpatialAttention}.get(type(step))
    return special(width=8, heads=2) if special else SparseAttention(width=8, heads=2, pattern=step)


def test_pairs_are_added_over_attentions_and_averaged_over_heads():
    grid = Grid(3, 5, 2)
    assert pairs_of([Temporal(), Spatial()], grid) == 30 * (3 + 10)
    assert pairs_of(Full(), grid) == 900
    assert pairs_of((Temporal(), Spatial()), grid) == 30 * (3 + 10) / 2
    assert pairs_of([(Temporal(), Spatial()), Full()], grid) == 195 + 900


@pytest.mark.parametrize("block", [[], [[Full()]], "joint", [()], [Full(), "space"]])
def test_what_is_no_block_is_refused(block):
    with pytest.raises(ValueError, match="a block is a pattern, or a list"):
        reach(block, Grid(2, 1, 1))
