"""Divided attention does dense attention's work under its pattern, with a fraction of the pairs."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from videoformer_edu.attention import SpatialAttention, TemporalAttention, dense_attention, record_attention
from videoformer_edu.tokens import Grid

D, HEADS, B = 12, 3, 2
GRIDS = [Grid(4, 2, 5), Grid(1, 2, 3), Grid(5, 1, 1), Grid(2, 3, 4)]


def build(kind):
    torch.manual_seed(0)
    return kind(width=D, heads=HEADS).double()


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("kind", [TemporalAttention, SpatialAttention])
def test_equals_dense_attention_under_its_pattern_forward_and_gradients(kind, grid):
    module = build(kind)
    x = torch.randn(B, grid.l, D, dtype=torch.float64, requires_grad=True)
    ours, dense = module(x, grid), dense_attention(module.attention, x, kind.pattern, grid)
    torch.testing.assert_close(ours, dense)
    probe = torch.randn_like(ours)
    wanted = [x, *module.parameters()]
    for a, b in zip(torch.autograd.grad((ours * probe).sum(), wanted),
                    torch.autograd.grad((dense * probe).sum(), wanted), strict=True):
        torch.testing.assert_close(a, b)


def test_cls_is_copied_into_each_frame_and_its_updates_are_averaged():
    module, grid = build(SpatialAttention), Grid(3, 2, 5)
    x = torch.randn(B, 1 + grid.l, D, dtype=torch.float64)
    got = module(x, grid)
    frames = [module.attention(torch.cat([x[:, :1], x[:, 1 + t * 10:11 + t * 10]], dim=1)) for t in range(3)]
    torch.testing.assert_close(got[:, 0], sum(frame[:, 0] for frame in frames) / 3)
    for t in range(3):
        torch.testing.assert_close(got[:, 1 + t * 10:11 + t * 10], frames[t][:, 1:])


@pytest.mark.parametrize("kind", [TemporalAttention, SpatialAttention])
def test_the_work_follows_pairs_not_l_squared(kind):
    """Counted multiply-adds of scores and mixing are 2 x pairs x d, whatever l squared is."""
    module, grid = build(kind), Grid(6, 4, 5)
    x = torch.randn(1, grid.l, D, dtype=torch.float64)
    counter = FlopCounterMode(display=False)
    with record_attention(module), counter:
        module(x, grid)
    macs = counter.get_total_flops() // 2
    assert macs == 4 * grid.l * D**2 + 2 * kind.pattern.pairs(grid) * D
    assert macs < 4 * grid.l * D**2 + 2 * grid.l**2 * D


def test_drop_path_tosses_one_coin_a_tube_and_one_a_frame():
    torch.manual_seed(0)
    grid = Grid(4, 3, 5)
    x = torch.randn(B, grid.l, D)
    for kind, sequence in ((TemporalAttention, (B, 15)), (SpatialAttention, (B, 4))):
        module = kind(width=D, heads=HEADS, drop_path=0.5).train()
        update = module(x, grid).unflatten(1, (grid.t, grid.n))  # (b, t, n, d)
        whole = (update == 0).all(-1)  # (b, t, n): tokens without an update
        per_sequence = whole.transpose(1, 2) if kind is TemporalAttention else whole
        assert torch.equal(per_sequence.all(-1), per_sequence.any(-1))  # a sequence goes or stays as a whole
        assert per_sequence.all(-1).shape == sequence and 0 < per_sequence.float().mean() < 1
        assert torch.equal(module.eval()(x, grid), module(x, grid))
