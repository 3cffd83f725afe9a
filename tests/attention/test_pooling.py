"""Pooling attention: pooled by hand, then plain attention; shapes, gradients, maps on the pooled grids."""

import pytest
import torch
from torch import nn

from videoformer_edu.attention import MultiHeadAttention, Pooled, PooledAttention, attention_probabilities
from videoformer_edu.attention import record_attention as record
from videoformer_edu.attention.pooling import ConvPool, MeanPool
from videoformer_edu.tokens import Grid

D, HEADS = 12, 3
GRIDS = [Grid(3, 4, 5), Grid(1, 2, 3), Grid(4, 1, 1), Grid(1, 1, 1)]
grids = pytest.mark.parametrize("grid", GRIDS, ids=str)


def boxes(x, grid, stride):
    """`(b, l, d)` -> the mean of every box, one at a time."""
    x = x.unflatten(1, tuple(grid))
    starts = [range(0, size, step) for size, step in zip(grid, stride, strict=True)]
    means = [x[:, t:t + stride[0], h:h + stride[1], w:w + stride[2]].mean(dim=(1, 2, 3))
             for t in starts[0] for h in starts[1] for w in starts[2]]
    return torch.stack(means, dim=1)


@grids
@pytest.mark.parametrize(("kv_stride", "q_stride"), [((1, 2, 2), (1, 1, 1)), ((2, 3, 2), (1, 2, 2)),
                                                     ((1, 1, 1), (3, 1, 2)), ((9, 9, 9), (9, 9, 9))])
def test_mean_pooling_is_attention_between_the_means_of_boxes(grid, kv_stride, q_stride):
    module = PooledAttention(width=D, heads=HEADS, kv_stride=kv_stride, q_stride=q_stride).double()
    x = torch.randn(2, grid.l, D, dtype=torch.double, requires_grad=True)
    q, k, v = module.qkv(x).chunk(3, dim=-1)
    q, k, v = (boxes(part, grid, stride).unflatten(-1, (HEADS, -1)).transpose(1, 2)
               for part, stride in ((q, q_stride), (k, kv_stride), (v, kv_stride)))
    want = module.proj((attention_probabilities(q, k) @ v).transpose(1, 2).flatten(2))
    got, new_grid = module(x, grid)
    torch.testing.assert_close(got, want)
    assert new_grid == Pooled(kv_stride, q_stride).query_grid(grid) and got.shape == (2, new_grid.l, D)
    for ours, theirs in zip(*(torch.autograd.grad(out.square().sum(), [x, *module.parameters()])
                              for out in (got, want)), strict=True):
        torch.testing.assert_close(ours, theirs)
    with record(module) as maps:
        torch.testing.assert_close(module(x, grid)[0], want)
    m = maps["attention"]
    assert m.grid == new_grid and m.key_grid == Pooled(kv_stride, q_stride).key_grid(grid)
    torch.testing.assert_close(m.dense(), attention_probabilities(q, k).detach())
    assert m.dense()[0, 0].numel() == module.pattern.pairs(grid)


@grids
def test_conv_pooling_has_the_shapes_of_mean_pooling_and_one_kernel_for_all_heads(grid):
    for stride in ((1, 2, 2), (2, 3, 1), (4, 4, 4)):
        mean, conv = MeanPool(stride=stride, channels=4), ConvPool(stride=stride, channels=4)
        x = torch.randn(6, 4, *grid)
        assert conv(x).shape == mean(x).shape == (6, 4, *Pooled(stride).key_grid(grid))
    module = PooledAttention(width=D, heads=HEADS, kv_stride=(1, 2, 2), q_stride=(1, 2, 1), pool="conv")
    out, new_grid = module(torch.randn(2, grid.l, D), grid)
    assert out.shape == (2, new_grid.l, D) and module.pool_k.conv.weight.shape == (4, 1, 3, 3, 3)
    if grid.l > 1:
        out.square().sum().backward()
        assert all(p.grad is not None for p in module.parameters())


def test_conv_pooling_sums_the_neighbours_of_each_kept_patch():
    conv = ConvPool(stride=(1, 2, 2), channels=2)
    with torch.no_grad():
        conv.conv.weight.fill_(1.0)
        conv.norm = nn.Identity()
    x = torch.randn(1, 2, 3, 4, 5)
    got = conv(x)
    padded = torch.zeros(1, 2, 5, 6, 7)
    padded[:, :, 1:4, 1:5, 1:6] = x
    torch.testing.assert_close(got[:, :, 1, 1, 2], padded[:, :, 1:4, 2:5, 4:7].sum(dim=(2, 3, 4)))


def test_without_strides_it_is_plain_attention():
    module = PooledAttention(width=D, heads=HEADS, kv_stride=(1, 1, 1), pool="conv")
    x = torch.randn(2, 12, D)
    torch.testing.assert_close(module(x, Grid(3, 2, 2))[0], MultiHeadAttention.forward(module, x))


def test_a_lit_box_is_lit_on_the_pooled_grid():
    module, grid = PooledAttention(width=D, heads=HEADS, kv_stride=(1, 2, 2)), Grid(3, 4, 6)
    with torch.no_grad():
        module.qkv.weight.zero_()
        module.qkv.weight[D:2 * D] = torch.eye(D)
        module.qkv.bias.fill_(5.0)
        x = torch.zeros(1, grid.l, D)
        x[:, 2 * 24 + 3 * 6 + 4] = 40.0  # frame 2, row 3, column 4
        with record(module) as maps:
            module(x, grid)
    looks = maps["attention"].looks_from(0, 1, 5)[0, 1]
    assert looks.shape == (3, 2, 3) and looks[2, 1, 2] > 0.999


def test_errors():
    with pytest.raises(ValueError, match="mean, conv; got 'max'"):
        PooledAttention(width=D, heads=HEADS, kv_stride=(1, 2, 2), pool="max")
    with pytest.raises(ValueError, match="kv_stride w=0"):
        PooledAttention(width=D, heads=HEADS, kv_stride=(1, 2, 0))
    with pytest.raises(ValueError, match="61 tokens do not fill"):
        PooledAttention(width=D, heads=HEADS, kv_stride=(1, 2, 2))(torch.randn(1, 61, D), Grid(3, 4, 5))
