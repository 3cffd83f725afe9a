"""Pooling attention: pooled in loops, then dense attention under its pattern; gradients, maps on the pooled grids."""

import math

import pytest
import torch
from torch import nn

from videoformer_edu.attention import MultiHeadAttention, Pooled, PoolingAttention
from videoformer_edu.attention import record_attention as record
from videoformer_edu.attention.pooling import HeadPool
from videoformer_edu.tokens import Grid

D, HEADS, E = 12, 3, 4
GRIDS = [Grid(3, 4, 5), Grid(1, 2, 3), Grid(4, 1, 1), Grid(1, 1, 1)]
STRIDES = [((1, 2, 2), (1, 1, 1)), ((2, 3, 2), (1, 2, 2)), ((1, 1, 1), (3, 1, 2)), ((9, 9, 9), (9, 9, 9))]
grids = pytest.mark.parametrize("grid", GRIDS, ids=str)
with_cls = pytest.mark.parametrize("cls", [0, 1])


def attention(**options):
    module = PoolingAttention(**{**dict(width=D, heads=HEADS, kv_stride=(1, 2, 2)), **options}).double()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_(std=0.5)
    return module


def in_loops(pool, x, grid, stride, cls):
    """`(b, [1 +] l, e)` of one head -> `(b, [1 +] l', e)`: each kept place sums what its 3 x 3 x 3 box weighs."""
    patches, rows = x[:, cls:].unflatten(1, tuple(grid)), [x[:, i] for i in range(cls)]
    for t in range(0, grid.t, stride[0]):
        for h in range(0, grid.h, stride[1]):
            for w in range(0, grid.w, stride[2]):
                total = torch.zeros_like(x[:, 0])
                for dt in range(3):
                    for dh in range(3):
                        for dw in range(3):
                            at = (t + dt - 1, h + dh - 1, w + dw - 1)
                            if all(0 <= place < size for place, size in zip(at, grid, strict=True)):
                                total = total + pool.conv.weight[:, 0, dt, dh, dw] * patches[(slice(None), *at)]
                rows.append(total)
    return pool.norm(torch.stack(rows, dim=1))


def expected(module, x, grid, cls):
    """The module written out, head by head: its result and the probabilities `(b, head, q, k)`."""
    kv, q_stride = module.pattern.kv_stride, module.pattern.q_stride
    parts = module.qkv(x).chunk(3, dim=-1)
    outs, maps = [], []
    for head in range(HEADS):
        q, k, v = (part[..., head * E:(head + 1) * E] for part in parts)
        q = q if module.pool_q is None else in_loops(module.pool_q, q, grid, q_stride, cls)
        k, v = in_loops(module.pool_k, k, grid, kv, cls), in_loops(module.pool_v, v, grid, kv, cls)
        scores = (q @ k.mT / math.sqrt(E)).exp()
        maps.append(scores / scores.sum(-1, keepdim=True))
        outs.append(maps[-1] @ v)
        if module.residual:
            outs[-1][:, cls:] += q[:, cls:]
    return module.proj(torch.cat(outs, dim=-1)), torch.stack(maps, dim=1)


@with_cls
@grids
@pytest.mark.parametrize(("kv_stride", "q_stride"), STRIDES)
def test_it_is_attention_between_pooled_queries_and_pooled_keys(grid, kv_stride, q_stride, cls):
    for options in ({}, {"residual": True}) if q_stride != (1, 1, 1) else ({"pool_queries": False}, {}):
        module = attention(kv_stride=kv_stride, q_stride=q_stride, **options)
        x = torch.randn(2, cls + grid.l, D, dtype=torch.double, requires_grad=True)
        want, probabilities = expected(module, x, grid, cls)
        got, new_grid = module(x, grid)
        torch.testing.assert_close(got, want)
        assert new_grid == module.pattern.query_grid(grid) and got.shape == (2, cls + new_grid.l, D)
        for ours, theirs in zip(*(torch.autograd.grad(out.square().sum(), [x, *module.parameters()])
                                  for out in (got, want)), strict=True):
            torch.testing.assert_close(ours, theirs)
        with record(module) as maps:
            torch.testing.assert_close(module(x, grid)[0], want)
        m = maps["attention"]
        assert (m.pattern, m.cls) == (Pooled(kv_stride, q_stride), bool(cls))
        assert (m.grid, m.key_grid) == (new_grid, m.pattern.key_grid(grid))
        torch.testing.assert_close(m.dense(), probabilities.detach())
        assert m.dense()[0, 0, cls:, cls:].shape == m.pattern.allowed(grid).shape
        assert m.pattern.allowed(grid).sum() == m.pattern.pairs(grid) == m.dense()[0, 0, cls:, cls:].numel()


def test_a_pool_that_passes_everything_on_leaves_plain_attention():
    module, x = attention(kv_stride=(1, 1, 1), pool_queries=False), torch.randn(2, 12, D, dtype=torch.double)
    for pool in (module.pool_k, module.pool_v):
        pool.norm = nn.Identity()
        nn.init.zeros_(pool.conv.weight)
        nn.init.ones_(pool.conv.weight[:, :, 1, 1, 1])
    plain = MultiHeadAttention(width=D, heads=HEADS).double()
    plain.load_state_dict({name: p for name, p in module.state_dict().items() if name in plain.state_dict()})
    torch.testing.assert_close(module(x, Grid(3, 2, 2))[0], plain(x))


def test_a_lit_patch_is_lit_on_the_pooled_grid():
    module, grid = attention(), Grid(3, 4, 6)
    with torch.no_grad():
        for p in module.parameters():
            p.zero_()
        module.qkv.bias[:D] = 5.0
        module.qkv.weight[D:2 * D] = torch.eye(D)
        module.pool_k.conv.weight[:, :, 1, 1, 1] = 1.0
        module.pool_k.norm = nn.Identity()
        module.pool_q.norm = nn.Identity()
        module.pool_q.conv.weight[:, :, 1, 1, 1] = 1.0
        x = torch.zeros(1, grid.l, D, dtype=torch.double)
        x[:, 2 * 24 + 2 * 6 + 4] = 40.0  # frame 2, row 2, column 4: the third key of the second row of keys
        with record(module) as maps:
            module(x, grid)
    looks = maps["attention"].looks_from(0, 1, 5)[0, 1]
    assert looks.shape == (3, 2, 3) and looks[2, 1, 2] > 0.999


def test_one_kernel_for_all_heads_and_a_width_of_its_own():
    module = attention(out=24, q_stride=(1, 2, 1))
    assert isinstance(module.pool_q, HeadPool) and module.pool_q.conv.weight.shape == (8, 1, 3, 3, 3)
    out, grid = module(torch.randn(2, 60, D, dtype=torch.double), Grid(3, 4, 5))
    assert grid == Grid(3, 2, 5) and out.shape == (2, 30, 24)


def test_errors():
    with pytest.raises(ValueError, match="kv_stride w=0"):
        attention(kv_stride=(1, 2, 0))
    with pytest.raises(ValueError, match=r"q_stride must be \(1, 1, 1\), got \(1, 2, 2\)"):
        attention(q_stride=(1, 2, 2), pool_queries=False)
    with pytest.raises(ValueError, match=r"expected 60 patch tokens .* or one more with CLS, got 62"):
        attention()(torch.randn(1, 62, D, dtype=torch.double), Grid(3, 4, 5))
