"""Rotary positions: against plain loops, by what they promise, and in a model."""

import pytest
import torch

from videoformer_edu.attention import SpatialAttention, TemporalAttention, record_attention
from videoformer_edu.attention.core import MultiHeadAttention, Where, dense_attention
from videoformer_edu.attention.patterns import Full
from videoformer_edu.attention.rotary import RotaryAttention, use_rotary
from videoformer_edu.models import timesformer_motion
from videoformer_edu.positions import NoPositions, rotary_angles, rotate
from videoformer_edu.tokens import Grid


@pytest.mark.parametrize("grid, width", [(Grid(3, 2, 4), 16), (Grid(1, 5, 1), 6), (Grid(2, 3, 2), 13)])
def test_each_axis_turns_its_own_pairs(grid, width):
    angles, each = rotary_angles(grid, width, fastest=1.5, slowest=0.2), width // 6
    assert angles.shape == (grid.l, 3 * each)
    frequencies = [1.5 * (0.2 / 1.5) ** (i / max(1, each - 1)) for i in range(each)]
    for number in range(grid.l):
        place = number // grid.n, number // grid.w % grid.h, number % grid.w
        meant = [place[axis] * frequency for axis in range(3) for frequency in frequencies]
        assert angles[number].tolist() == pytest.approx(meant, abs=1e-5)


def test_turning_is_multiplication_by_a_complex_number():
    x, angles = torch.randn(2, 5, 9, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    out = rotate(x, angles)
    for pair in range(3):
        turned = torch.complex(x[..., 2 * pair], x[..., 2 * pair + 1]) * torch.exp(1j * angles[:, pair])
        torch.testing.assert_close(out[..., 2 * pair], turned.real)
        torch.testing.assert_close(out[..., 2 * pair + 1], turned.imag)
    assert torch.equal(out[..., 6:], x[..., 6:])


def test_a_score_knows_the_distance_alone():
    grid = Grid(7, 4, 5)
    q, k = torch.randn(2, 1, 17, dtype=torch.float64)
    angles = rotary_angles(grid, 17).double()
    scores = (rotate(q.expand(grid.l, -1), angles) @ rotate(k.expand(grid.l, -1), angles).T).reshape(*grid, *grid)
    moved = scores[2:, 1:, 3:, 2:, 1:, 3:]  # every pair of places, moved by two frames, a row and three columns
    torch.testing.assert_close(moved, scores[:5, :3, :2, :5, :3, :2], rtol=0, atol=1e-5)
    assert (scores[0, 0, 0, 0, 0, 0] - scores[0, 0, 0, 3, 0, 0]).abs() > 1e-2


def test_too_narrow_a_head_is_refused():
    with pytest.raises(ValueError, match="at least 6; got 5"):
        rotary_angles(Grid(2, 2, 2), 5)


def test_without_angles_it_is_the_plain_attention_and_cls_is_never_turned():
    plain, grid = MultiHeadAttention(width=24, heads=3), Grid(1, 1, 1)
    rotary = RotaryAttention(width=24, heads=3)
    rotary.load_state_dict(plain.state_dict())
    x = torch.randn(2, 1 + grid.l, 24)  # CLS, and a token whose frame, row and column are 0
    torch.testing.assert_close(rotary(x, where=Where(Full(), grid)), plain(x, where=Where(Full(), grid)))
    longer = torch.randn(2, 1 + 12, 24)
    difference = (rotary(longer, where=Where(Full(), Grid(3, 2, 2))) - plain(longer)).abs().amax(dim=(0, 2))
    assert (difference > 1e-3).all(), "the turned keys change what everybody hears, CLS included"


@pytest.mark.parametrize("kind", [SpatialAttention, TemporalAttention])
def test_regrouped_rotary_attention_is_the_masked_dense_one(kind):
    grid, module = Grid(3, 2, 4), kind(width=24, heads=2)
    use_rotary(module)
    x = torch.randn(2, grid.l, 24)
    mask = kind.pattern.allowed(grid)
    dense = module.attention(x, where=Where(Full(), grid), mask=mask)
    torch.testing.assert_close(module(x, grid), dense, rtol=0, atol=1e-5)
    plain = dense_attention(module.attention, x, kind.pattern, grid)
    assert (dense - plain).abs().max() > 1e-3


@pytest.mark.parametrize("attention", ["divided", "joint", "space_only"])
def test_a_model_without_tables_takes_any_clip(attention):
    torch.manual_seed(0)
    table, rotary = (timesformer_motion(attention=attention, positions=kind).eval() for kind in ("table", "rotary"))
    lost = set(table.state_dict()) - set(rotary.state_dict())
    assert lost == {"space_positions.table"} | ({"time_positions.table"} if attention != "space_only" else set())
    assert not set(rotary.state_dict()) - set(table.state_dict())
    video = torch.randn(2, 3, 12, 40, 24)
    logits = rotary(video)
    assert logits.shape == (2, 8) and logits.isfinite().all()
    with record_attention(rotary) as maps:
        torch.testing.assert_close(rotary(video), logits, rtol=0, atol=1e-5)
    assert all(one.probabilities.sum(-1).allclose(torch.ones(())) for one in maps.values())


def test_positions_are_refused_by_name():
    with pytest.raises(ValueError, match='must be "table" or "rotary"'):
        timesformer_motion(positions="sines")


def test_no_positions_add_nothing():
    assert NoPositions(cls=True)(3, 4).shape == (13, 1) and NoPositions(cls=False)(Grid(2, 3, 4)).shape == (24, 1)
    assert not NoPositions(cls=True)(3, 4).any() and not NoPositions(cls=True).state_dict()
