"""Our window attention is torchvision's 3-D shifted window attention: the same weights, the same output."""

import pytest
import torch
from torchvision.models.video.swin_transformer import ShiftedWindowAttention3d

from videoformer_edu.attention import WindowAttention
from videoformer_edu.tokens import Grid

D, HEADS = 12, 3


@pytest.mark.parametrize("grid", [Grid(4, 6, 8), Grid(5, 7, 9), Grid(2, 5, 4), Grid(3, 2, 5), Grid(1, 1, 1)], ids=str)
@pytest.mark.parametrize(("window", "shift"), [((2, 3, 4), (0, 0, 0)), ((2, 3, 4), (1, 1, 2)), ((4, 3, 2), (2, 1, 1))])
@pytest.mark.parametrize("quirks", [False, True])
def test_same_output_and_gradients(grid, window, shift, quirks):
    """Sizes that need padding, sizes that clamp the window in time alone, and, quirks and all, in space."""
    theirs = ShiftedWindowAttention3d(D, list(window), list(shift), HEADS).double()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(std=0.5)
    ours = WindowAttention(width=D, heads=HEADS, window=window, shift=shift, reference_quirks=quirks).double()
    left = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert left.missing_keys == [] and left.unexpected_keys == ["relative_position_index"]
    x = torch.randn(2, grid.l, D, dtype=torch.double, requires_grad=True)
    got, want = ours(x, grid), theirs(x.unflatten(1, tuple(grid))).flatten(1, 3)
    clamped, _ = ours.pattern.clamped(grid)
    if quirks or clamped[1:] == window[1:] or clamped.l == 1:
        torch.testing.assert_close(got, want)
        torch.testing.assert_close(*(torch.autograd.grad(out.square().sum(), x)[0] for out in (got, want)))
    else:  # the right distances, which theirs are not
        assert (got - want).abs().max() > 1e-3
