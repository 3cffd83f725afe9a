"""Windows: the fast way is the way in steps, padding as published, the bias table's rows, the cut index."""

import pytest
import torch

import videoformer_edu.attention.windows as windows_file
from videoformer_edu.attention import LocalWindow, MultiHeadAttention, WindowAttention, attend, record_attention
from videoformer_edu.attention.windows import region_numbers, window_attention_in_steps
from videoformer_edu.tokens import Grid

D, HEADS = 12, 3


def attention(**changes):
    module = WindowAttention(**{**dict(width=D, heads=HEADS, window=(2, 3, 4), shift=(1, 1, 2)), **changes}).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.5)
    return module


def tokens(grid):
    return torch.randn(2, grid.l, D, dtype=torch.double)


@pytest.mark.parametrize("grid", [Grid(3, 4, 5), Grid(5, 7, 9), Grid(3, 2, 6), Grid(1, 4, 1)], ids=str)
def test_padding_is_looked_at_as_if_the_clip_went_on_in_zeros(grid):
    """The published way: attention on the padded clip, whose answers at padding are thrown away."""
    module = attention()
    padded = module.pattern.padded(grid)
    x = tokens(grid)
    longer = torch.zeros(2, *padded, D, dtype=torch.double)
    longer[:, :grid.t, :grid.h, :grid.w] = x.unflatten(1, tuple(grid))
    want = module(longer.flatten(1, 3), padded).unflatten(1, tuple(padded))[:, :grid.t, :grid.h, :grid.w]
    torch.testing.assert_close(module(x, grid), want.flatten(1, 3))
    assert not torch.allclose(attention(mask_padding=True)(x, grid), module(x, grid))


def test_regions_are_what_the_roll_put_side_by_side():
    """Tokens of one window may look where they lie in one window of the clip before the roll."""
    window, shift, padded = Grid(2, 3, 4), Grid(1, 1, 2), Grid(4, 6, 8)
    region = region_numbers(padded, window, shift)
    for axis, (size, inside, moved) in enumerate(zip(padded, window, shift, strict=True)):
        line = region.movedim(axis, 0)[:, 0, 0]
        for a in range(size):
            for b in range(size):
                if a // inside == b // inside:
                    together = (a + moved) % size < moved, (b + moved) % size < moved  # came in at the end?
                    assert (line[a] == line[b]) == (together[0] == together[1])


def test_recorded_rows_lose_what_they_give_to_padding():
    grid = Grid(3, 4, 5)
    for mask_padding in (False, True):
        module = attention(mask_padding=mask_padding)
        with record_attention(module) as maps:
            module(tokens(grid), grid)
        lowest = float(maps["attention"].dense().sum(-1).min())
        assert lowest == pytest.approx(1, abs=1e-12) if mask_padding else lowest < 0.9
        assert torch.equal(maps["attention"].dense() > 0, module.pattern.allowed(grid).expand(2, HEADS, -1, -1))


@pytest.mark.parametrize("few", [0, 2**18], ids=["a call for each mask", "one call"])
@pytest.mark.parametrize("shift", [(1, 1, 2), (0, 0, 0), (0, 2, 1)], ids=str)
@pytest.mark.parametrize("grid", [
    Grid(4, 6, 8),  # two windows along each axis
    Grid(3, 4, 5), Grid(5, 7, 9),  # padding along each axis
    Grid(2, 7, 8), Grid(6, 3, 4),  # as long as the window: no shift there
    Grid(3, 2, 6), Grid(1, 4, 1), Grid(1, 2, 3), Grid(1, 1, 1),  # windows larger than the grid
], ids=str)
def test_the_fast_way_is_the_way_in_steps(grid, shift, few, monkeypatch):
    """Values, gradients of the tokens and of every parameter, and the probabilities themselves."""
    monkeypatch.setattr(windows_file, "FEW", few)
    windows_file.tiling.cache_clear()
    module, x = attention(shift=shift), tokens(grid).requires_grad_()
    fast, steps = module(x, grid), window_attention_in_steps(module, x, grid)
    windows_file.tiling.cache_clear()
    torch.testing.assert_close(fast, steps)
    seed = torch.randn_like(fast)
    for got, want in zip(*(torch.autograd.grad((out * seed).sum(), [x, *module.parameters()]) for out in (fast, steps)),
                         strict=True):
        torch.testing.assert_close(got, want)
    seen = []

    def recorded(q, k, v, mask, bias):
        return attend(q, k, v, mask, bias, record=seen.append)

    with record_attention(module) as maps:
        module(x, grid)
    monkeypatch.setattr(windows_file, "attend", recorded)
    window_attention_in_steps(module, x, grid)
    torch.testing.assert_close(maps["attention"].probabilities, seen[0].detach())
    assert len(seen) == 1


@pytest.mark.parametrize("mask_padding", [False, True])
@pytest.mark.parametrize("grid", [Grid(3, 4, 5), Grid(5, 7, 9), Grid(4, 6, 8)], ids=str)
def test_one_call_for_each_mask_is_one_call_for_all(grid, mask_padding, monkeypatch):
    module, x = attention(mask_padding=mask_padding), tokens(grid).requires_grad_()
    together = module(x, grid)
    windows_file.tiling.cache_clear()
    monkeypatch.setattr(windows_file, "FEW", 0)
    apart = module(x, grid)
    plan = windows_file.tiling(module.pattern, grid, mask_padding, False, x.device)
    windows_file.tiling.cache_clear()
    assert len(plan.sizes) > 2 and sum(plan.sizes) == len(module.pattern.groups(grid))
    torch.testing.assert_close(apart, together)
    torch.testing.assert_close(*(torch.autograd.grad(out.square().sum(), x)[0] for out in (apart, together)))


def test_without_a_bias_it_is_attention_inside_each_window():
    """Two windows in each direction, cut by hand."""
    module, grid = attention(shift=(0, 0, 0)), Grid(4, 6, 8)
    with torch.no_grad():
        module.relative_position_bias_table.zero_()
    x = tokens(grid)
    out = module(x, grid).unflatten(1, tuple(grid))
    inside = x.unflatten(1, tuple(grid))[:, 2:4, 0:3, 4:8].flatten(1, 3)
    torch.testing.assert_close(out[:, 2:4, 0:3, 4:8].flatten(1, 3), MultiHeadAttention.forward(module, inside))


def test_the_bias_is_the_row_of_the_distance():
    module = attention()
    table = module.relative_position_bias_table.reshape(3, 5, 7, HEADS)
    for window in (Grid(2, 3, 4), Grid(1, 3, 4), Grid(2, 2, 3), Grid(1, 1, 1)):
        bias = module.relative_position_bias(window).unflatten(1, tuple(window)).unflatten(-1, tuple(window))
        last = tuple(size - 1 for size in window)
        torch.testing.assert_close(bias[:, 0, 0, 0, 0, 0, 0], table[1, 2, 3])
        torch.testing.assert_close(bias[(slice(None), *last, 0, 0, 0)], table[1 + last[0], 2 + last[1], 3 + last[2]])
        torch.testing.assert_close(bias[(slice(None), 0, 0, 0, *last)], table[1 - last[0], 2 - last[1], 3 - last[2]])


@pytest.mark.parametrize(("window", "same"), [(Grid(2, 3, 4), True), (Grid(1, 3, 4), True), (Grid(2, 2, 4), False),
                                              (Grid(2, 3, 3), False), (Grid(1, 1, 4), True), (Grid(1, 2, 2), False)])
def test_the_cut_index_is_right_only_where_time_alone_is_cut(window, same):
    """`(1, 1, 4)` is right, too: one row of a full-width window is where the full index begins."""
    module = attention()
    right = module.relative_position_bias(window)
    module.reference_quirks = True
    assert torch.equal(module.relative_position_bias(window), right) is same


def test_shifted_windows_carry_news_across_a_border_in_two_layers():
    plain, shifted, grid = attention(shift=(0, 0, 0)), attention(), Grid(4, 6, 8)
    x = tokens(grid).requires_grad_()
    here = (1, 2, 3)  # the last place of the first window
    for layers, crosses in (((plain, plain), False), ((plain, shifted), True)):
        y = x
        for layer in layers:
            y = layer(y, grid)
        reach = torch.autograd.grad(y.unflatten(1, tuple(grid))[:, here[0], here[1], here[2]].sum(), x)[0]
        assert bool(reach.unflatten(1, tuple(grid))[:, 2:, 3:, 4:].abs().sum() > 0) is crosses


def test_errors_and_weights():
    module = attention()
    with pytest.raises(ValueError, match="expected 60 tokens .* got 61"):
        module(torch.randn(1, 61, D), Grid(3, 4, 5))
    with pytest.raises(ValueError, match="shift along t must be from 0 to 1"):
        WindowAttention(width=D, heads=HEADS, window=(2, 3, 4), shift=(2, 0, 0))
    assert {name: tuple(p.shape) for name, p in module.state_dict().items()} == {
        "relative_position_bias_table": (3 * 5 * 7, HEADS), "qkv.weight": (36, 12), "qkv.bias": (36,),
        "proj.weight": (12, 12), "proj.bias": (12,)}
    assert LocalWindow((8, 7, 7), (4, 3, 3)).clamped(Grid(16, 7, 7)) == ((8, 7, 7), (4, 0, 0))  # equality clamps
