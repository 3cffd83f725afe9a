"""Patterns: the truth table against the sentence that defines it, counts and groups against the truth table."""

import pytest
import torch

from videoformer_edu.attention import Full, Spatial, Temporal
from videoformer_edu.tokens import Grid

GRIDS = [Grid(3, 2, 5), Grid(1, 2, 3), Grid(4, 1, 1), Grid(1, 1, 1), Grid(2, 5, 3)]
SENTENCE = {  # who may look at whom, written for two places (t, h, w)
    Full: lambda a, b: True,
    Spatial: lambda a, b: a[0] == b[0],
    Temporal: lambda a, b: a[1:] == b[1:],
}


def places(grid):
    return [(t, h, w) for t in range(grid.t) for h in range(grid.h) for w in range(grid.w)]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("pattern", SENTENCE)
def test_allowed_is_the_sentence(pattern, grid):
    want = [[SENTENCE[pattern](a, b) for b in places(grid)] for a in places(grid)]
    assert pattern().allowed(grid).tolist() == want


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("pattern", SENTENCE)
def test_pairs_and_groups_agree_with_allowed(pattern, grid):
    allowed = pattern().allowed(grid)
    assert pattern().pairs(grid) == int(allowed.sum())
    from_groups = torch.zeros_like(allowed)
    for group in pattern().groups(grid):
        from_groups[group[:, None], group[None]] = True
    assert torch.equal(from_groups, allowed)


def test_pairs_of_a_grid_that_could_never_be_drawn():
    grid = Grid(96, 14, 14)
    assert Full().pairs(grid) == 18816**2
    assert Spatial().pairs(grid) == 96 * 196**2
    assert Temporal().pairs(grid) == 196 * 96**2


@pytest.mark.parametrize("pattern", SENTENCE)
def test_bad_grids_name_the_number(pattern):
    for grid, name in (((0, 2, 3), "t=0"), ((2, -1, 3), "h=-1"), ((2, 2, 1.5), "w=1.5")):
        with pytest.raises(ValueError, match=name):
            pattern().allowed(grid)
