"""Factorised dot-product attention is dense attention under one mask a head, at a fraction of the work."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from videoformer_edu.attention import FactorisedDotProductAttention, MultiHeadAttention, record_attention
from videoformer_edu.attention.patterns import Spatial, Temporal, factorised_dot_product
from videoformer_edu.tokens import Grid

D, HEADS, B = 24, 4, 2
GRIDS = [Grid(4, 2, 5), Grid(1, 2, 3), Grid(5, 1, 1), Grid(1, 1, 1), Grid(2, 3, 4)]


def build(heads=HEADS):
    torch.manual_seed(0)
    return FactorisedDotProductAttention(width=D, heads=heads).double()


def tokens(grid, b=B):
    return torch.randn(b, grid.l, D, dtype=torch.float64)


@pytest.mark.parametrize("grid", GRIDS)
def test_equals_dense_attention_under_one_mask_a_head_forward_and_gradients(grid):
    module, x = build(), tokens(grid).requires_grad_()
    in_time = [[i % grid.n == j % grid.n for j in range(grid.l)] for i in range(grid.l)]
    in_space = [[i // grid.n == j // grid.n for j in range(grid.l)] for i in range(grid.l)]
    masks = torch.tensor([in_time, in_time, in_space, in_space])
    assert torch.equal(module.allowed(grid), masks)
    ours, dense = module(x, grid), MultiHeadAttention.forward(module, x, mask=masks)
    torch.testing.assert_close(ours, dense)
    probe, wanted = torch.randn_like(ours), [x, *module.parameters()]
    for a, b in zip(torch.autograd.grad((ours * probe).sum(), wanted),
                    torch.autograd.grad((dense * probe).sum(), wanted), strict=True):
        torch.testing.assert_close(a, b)


def test_it_has_the_parameters_of_joint_attention():
    joint = MultiHeadAttention(width=D, heads=HEADS)
    assert {k: v.shape for k, v in build().state_dict().items()} == {k: v.shape for k, v in joint.state_dict().items()}


def test_the_work_follows_the_pairs_of_each_head():
    module, grid = build(), Grid(6, 4, 5)
    counter = FlopCounterMode(display=False)
    with record_attention(module), counter:
        module(tokens(grid, b=1), grid)
    pairs = sum(pattern.pairs(grid) for pattern in module.patterns)  # of all heads
    assert counter.get_total_flops() // 2 == 4 * grid.l * D**2 + 2 * pairs * (D // HEADS)
    assert pairs == 2 * 20 * 6**2 + 2 * 6 * 20**2 < HEADS * grid.l**2 / 5


def test_recorded_as_one_map_in_time_and_one_in_space_that_reproduce_the_output():
    module, grid = build(), Grid(3, 2, 5)
    x = tokens(grid)
    with record_attention(module) as maps:
        out = module(x, grid)
    torch.testing.assert_close(out, module(x, grid))
    assert list(maps) == ["attention.time", "attention.space"]
    assert [type(m.pattern) for m in maps.values()] == [Temporal, Spatial]
    dense = torch.cat([m.dense() for m in maps.values()], dim=1)  # (b, head, l, l)
    assert torch.equal(dense > 0, module.allowed(grid).expand(B, -1, -1, -1))
    v = module.qkv(x)[..., 2 * D:].unflatten(-1, (HEADS, -1)).transpose(1, 2)
    torch.testing.assert_close(module.proj((dense @ v).transpose(1, 2).flatten(2)), out)
    assert maps["attention.time"].looks_from(1, 0, 3).sum(dim=(3, 4)).shape == (B, 2, 3)


def test_clips_of_a_batch_do_not_mix():
    module, grid = build(), Grid(3, 2, 5)
    x = tokens(grid, b=3)
    torch.testing.assert_close(module(x, grid)[1], module(x[1:2], grid)[0])


def test_errors():
    with pytest.raises(ValueError, match="heads=3; use an even number such as 4"):
        build(heads=3)
    with pytest.raises(ValueError, match="expected 30 patch tokens .* got 31; .* no CLS"):
        build()(torch.randn(2, 31, D, dtype=torch.float64), Grid(3, 2, 5))
    assert [type(p) for p in factorised_dot_product(6)] == [Temporal] * 3 + [Spatial] * 3
