"""Patterns: the truth table against the sentence that defines it, counts and groups against the truth table."""

import math

import pytest
import torch

from videoformer_edu.attention import (
    AlignedTime,
    Axial,
    Full,
    GlobalSpatial,
    LocalTemporal,
    LocalWindow,
    Pooled,
    Radial,
    SlidingTile,
    SparseSpaceTime,
    Spatial,
    StridedTemporal,
    Temporal,
)
from videoformer_edu.tokens import Grid

# Two grids of three different sizes, one that no window or stride below divides, T = 1, N = 1, both.
GRIDS = [Grid(3, 2, 5), Grid(7, 5, 4), Grid(1, 2, 3), Grid(4, 1, 1), Grid(1, 1, 1), Grid(2, 5, 3)]


def same_place(a, b):
    return a[1:] == b[1:]


def in_window(window, shift):
    """By walking along the axis and cutting it where a window ends; clamped as published."""
    def window_of(position, size, w, s):
        if size <= w:
            return 0
        cuts = [p for p in range(1, size) if (p - s) % w == 0]
        return sum(position >= cut for cut in cuts)

    def sentence(a, b, grid):
        return all(window_of(p, n, w, s) == window_of(q, n, w, s)
                   for p, q, n, w, s in zip(a, b, grid, window, shift, strict=True))
    return sentence


SENTENCE = {  # who may look at whom, written for two places (t, h, w) of a grid
    Full(): lambda a, b, grid: True,
    Spatial(): lambda a, b, grid: a[0] == b[0],
    Temporal(): lambda a, b, grid: same_place(a, b),
    Axial("t"): lambda a, b, grid: same_place(a, b),
    Axial("h"): lambda a, b, grid: a[0] == b[0] and a[2] == b[2],
    Axial("w"): lambda a, b, grid: a[:2] == b[:2],
    LocalTemporal(1): lambda a, b, grid: a == b,
    LocalTemporal(3): lambda a, b, grid: same_place(a, b) and abs(a[0] - b[0]) <= 1,
    LocalTemporal(9): lambda a, b, grid: same_place(a, b) and abs(a[0] - b[0]) <= 4,
    LocalTemporal(5, dilation=2): lambda a, b, grid: same_place(a, b) and abs(a[0] - b[0]) in (0, 2, 4),
    StridedTemporal(2): lambda a, b, grid: same_place(a, b) and a[0] % 2 == b[0] % 2,
    StridedTemporal(5): lambda a, b, grid: same_place(a, b) and abs(a[0] - b[0]) in (0, 5),
    GlobalSpatial(1): lambda a, b, grid: a[0] == b[0],
    GlobalSpatial(2): lambda a, b, grid: a[0] == b[0] and b[1] in (0, 2, 4) and b[2] in (0, 2, 4),
    GlobalSpatial(9): lambda a, b, grid: a[0] == b[0] and b[1:] == (0, 0),
    SparseSpaceTime(3, 2, 1): lambda a, b, grid: (
        a[0] == b[0] or same_place(a, b) and (abs(a[0] - b[0]) <= 1 or (a[0] - b[0]) % 2 == 0)),
    SparseSpaceTime(5, 3, 2): lambda a, b, grid: (
        a[0] == b[0] and b[1] % 2 == b[2] % 2 == 0
        or same_place(a, b) and (abs(a[0] - b[0]) <= 2 or abs(a[0] - b[0]) in (3, 6))),
    LocalWindow((2, 2, 3)): in_window((2, 2, 3), (0, 0, 0)),
    LocalWindow((2, 2, 3), (1, 1, 1)): in_window((2, 2, 3), (1, 1, 1)),
    LocalWindow((4, 3, 2), (2, 1, 1)): in_window((4, 3, 2), (2, 1, 1)),
    LocalWindow((9, 8, 7), (4, 4, 3)): lambda a, b, grid: True,
}



def tile_window(tile, window):
    """The tiles of each axis by walking; the window is moved, one tile at a time, until it lies inside the clip."""
    def sentence(a, b, grid):
        for p, q, size, long, wide in zip(a, b, grid, tile, window, strict=True):
            tiles = [list(range(i, min(i + long, size))) for i in range(0, size, long)]
            at = next(i for i, members in enumerate(tiles) if p in members)
            seen = list(range(at - wide // 2, at + wide // 2 + 1))
            while seen[0] < 0:
                seen = [i + 1 for i in seen]
            while seen[-1] >= len(tiles) and seen[0] > 0:
                seen = [i - 1 for i in seen]
            if not any(q in tiles[i] for i in seen if i < len(tiles)):
                return False
        return True
    return sentence


def radial(a, b, grid):
    """Equation 3 of the paper."""
    apart, beside = abs(a[0] - b[0]), abs(a[1] * grid.w + a[2] - b[1] * grid.w - b[2])
    octave = 2 ** math.floor(math.log2(max(apart, 1)))
    if octave <= grid.n:
        return beside + 1 <= grid.n / octave
    return apart % math.ceil(octave / grid.n) == 0 and beside == 0


SENTENCE |= {
    SlidingTile((1, 1, 1)): tile_window((1, 1, 1), (3, 3, 3)),
    SlidingTile((2, 1, 2), (3, 3, 1)): tile_window((2, 1, 2), (3, 3, 1)),
    SlidingTile((1, 2, 3), (5, 1, 3)): tile_window((1, 2, 3), (5, 1, 3)),
    SlidingTile((9, 8, 7)): lambda a, b, grid: True,
    Radial(): radial,
}
patterns = pytest.mark.parametrize("pattern", SENTENCE, ids=str)
grids = pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: "x".join(map(str, grid)))


def places(grid):
    return [(t, h, w) for t in range(grid.t) for h in range(grid.h) for w in range(grid.w)]


def meetings(pattern, grid):
    """`(l, l')` how often each pair meets in the groups."""
    queries, keys = pattern.groups(grid), pattern.keys(grid, pattern.key_grid(grid))
    mask = None if isinstance(pattern, SparseSpaceTime) else pattern.group_mask(grid)
    mask = keys[:, None] >= 0 if mask is None else mask
    mask = mask & (queries >= 0)[:, :, None] & (keys >= 0)[:, None]
    queries, keys = (x.expand(mask.shape)[mask] for x in (queries[:, :, None], keys[:, None]))
    count = torch.zeros(grid.l, pattern.key_grid(grid).l, dtype=torch.long)
    return count.index_put_((queries, keys), torch.ones_like(keys), accumulate=True)


@grids
@patterns
def test_allowed_is_the_sentence(pattern, grid):
    want = [[SENTENCE[pattern](a, b, grid) for b in places(grid)] for a in places(grid)]
    assert pattern.allowed(grid).tolist() == want


@grids
@patterns
def test_pairs_and_groups_agree_with_allowed(pattern, grid):
    allowed = pattern.allowed(grid)
    assert pattern.pairs(grid) == int(allowed.sum())
    assert torch.equal(meetings(pattern, grid), allowed.long())  # each pair once, none beside


@pytest.mark.parametrize(("grid", "others"), [
    (Grid(2, 2, 3), Grid(8, 2, 3)), (Grid(8, 3, 2), Grid(2, 3, 2)), (Grid(3, 1, 2), Grid(5, 1, 2)),
    (Grid(7, 2, 1), Grid(4, 2, 1)), (Grid(1, 1, 1), Grid(3, 1, 1)), (Grid(5, 2, 2), Grid(5, 2, 2))], ids=str)
@pytest.mark.parametrize("at_same_place", [False, True])
def test_aligned_frames_share_a_moment(grid, others, at_same_place):
    pattern = AlignedTime(others, at_same_place)
    fine = grid.t * others.t  # moments so fine that every frame begins and ends on one
    want = [[any(m // others.t == a[0] and m // grid.t == b[0] for m in range(fine))
             and (not at_same_place or same_place(a, b)) for b in places(others)] for a in places(grid)]
    assert pattern.allowed(grid).tolist() == want
    assert pattern.pairs(grid) == sum(map(sum, want))
    assert torch.equal(meetings(pattern, grid), pattern.allowed(grid).long())


def test_the_slow_frames_of_slowfast_lie_in_their_span():
    slow = torch.linspace(0, 31, 8).long()
    assert slow.tolist() == [0, 4, 8, 13, 17, 22, 26, 31]
    table = AlignedTime(Grid(32, 1, 1)).allowed(Grid(8, 1, 1))
    assert all(table[i, frame] for i, frame in enumerate(slow))
    assert table.sum() == 32  # a partition: every fast frame belongs to one slow frame


def test_pooled_grids_and_pairs():
    pattern, grid = Pooled((2, 3, 1), (1, 2, 2)), Grid(3, 5, 4)
    assert pattern.query_grid(grid) == (3, 3, 2) and pattern.key_grid(grid) == (2, 2, 4)
    assert pattern.allowed(grid).shape == (18, 16) and pattern.allowed(grid).all()
    assert pattern.pairs(grid) == 18 * 16


def test_pairs_of_a_grid_that_could_never_be_drawn():
    grid = Grid(96, 14, 14)
    assert Full().pairs(grid) == 18816**2
    assert Spatial().pairs(grid) == 96 * 196**2
    assert Temporal().pairs(grid) == 196 * 96**2
    assert LocalTemporal(3).pairs(grid) == 196 * (3 * 96 - 2)
    assert StridedTemporal(4).pairs(grid) == 196 * 96 * 24
    assert GlobalSpatial(2).pairs(grid) == 18816 * 49
    assert LocalWindow((8, 7, 7)).pairs(grid) == 18816 * 392  # linear in T and N: t*n tokens times the window
    assert SparseSpaceTime(3, 4, 1).pairs(grid) == 18816 * 196 + 196 * (2 * 96 - 2) + 18816 * 23
    assert Axial("h").pairs(grid) == 18816 * 14
    assert SlidingTile((4, 7, 7), (3, 1, 1)).pairs(grid) == 18816 * 12 * 49


def test_the_published_window_of_a_five_second_clip():
    """HunyuanVideo: 30 x 48 x 80 tokens, tiles of 6 x 8 x 8, a window of 3 x 3 x 3 of the 5 x 6 x 10 tiles."""
    pattern, grid = SlidingTile((6, 8, 8)), Grid(30, 48, 80)
    assert grid.l == 115_200
    assert pattern.pairs(grid) == 115_200 * 18 * 24 * 24  # the window never shrinks: 9 % of all pairs
    groups, keys = pattern.groups(Grid(12, 16, 24)), pattern.keys(Grid(12, 16, 24), Grid(12, 16, 24))
    assert (groups >= 0).all() and (keys >= 0).all() and pattern.group_mask(Grid(12, 16, 24)) is None  # dense or empty


@pytest.mark.parametrize("grid", [Grid(19, 1, 3), Grid(9, 2, 3), Grid(33, 1, 1)], ids=str)
def test_far_octaves_of_radial(grid):
    """Grids so long that the window is one patch, and then one patch of every second frame, of every fourth, ..."""
    test_allowed_is_the_sentence(Radial(), grid)
    test_pairs_and_groups_agree_with_allowed(Radial(), grid)


def test_radial_grows_like_l_log_l():
    """Frames of 48 x 80 tokens as in the paper: four times the frames, and little more than four times the pairs."""
    short, long, joint = (p.pairs(Grid(t, 48, 80)) for p, t in ((Radial(), 32), (Radial(), 128), (Full(), 128)))
    assert 4 < long / short < 7 and joint / long > 5  # measured 6.4 and 6.6; of joint attention: 16 times


@patterns
def test_bad_grids_name_the_number(pattern):
    for grid, name in (((0, 2, 3), "t=0"), ((2, -1, 3), "h=-1"), ((2, 2, 1.5), "w=1.5")):
        for question in (pattern.allowed, pattern.pairs):
            with pytest.raises(ValueError, match=name):
                question(grid)


@pytest.mark.parametrize(("build", "message"), [
    (lambda: LocalTemporal(4), "window=3 or window=5"),
    (lambda: LocalTemporal(0), "window=0"),
    (lambda: LocalTemporal(3, dilation=0), "dilation=0"),
    (lambda: StridedTemporal(0), "stride=0"),
    (lambda: StridedTemporal(1.5), "stride=1.5"),
    (lambda: GlobalSpatial(-2), "stride=-2"),
    (lambda: SparseSpaceTime(window=2), "window=1 or window=3"),
    (lambda: SparseSpaceTime(stride=0), "stride=0"),
    (lambda: SparseSpaceTime(spatial_stride=0), "spatial_stride=0"),
    (lambda: Axial("x"), "got 'x'"),
    (lambda: LocalWindow((2, 0, 3)), "window h=0"),
    (lambda: LocalWindow((2, 3)), "window must be a tuple of three"),
    (lambda: LocalWindow((2, 3, 4), (1, 3, 0)), "shift along h must be from 0 to 2"),
    (lambda: LocalWindow((2, 3, 4), (0, 0, -1)), "shift along w"),
    (lambda: SlidingTile((2, 0, 3)), "tile h=0"),
    (lambda: SlidingTile((2, 3)), "tile must be a tuple of three"),
    (lambda: SlidingTile((2, 3, 4), (3, 4, 3)), "4 tiles along h has no middle; use 3 or 5"),
    (lambda: Pooled((1, 0, 2)), "kv_stride h=0"),
    (lambda: Pooled((1, 2, 2), (1, 2)), "q_stride must be a tuple of three"),
    (lambda: AlignedTime(Grid(0, 2, 2)), "t=0"),
    (lambda: AlignedTime(Grid(4, 2, 2), True).pairs(Grid(2, 2, 3)), "2 x 3 queries and 2 x 2 keys"),
])
def test_bad_numbers_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()
