"""Video -> tokens and back: values against plain loops, resizing against known functions, clear errors."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from videoformer_edu.positions import (
    JointPositions,
    SpacePositions,
    TimePositions,
    resize_space,
    resize_time,
    sincos_1d,
    sincos_patches,
    sincos_space,
    sincos_time,
)
from videoformer_edu.tokens import Grid, PatchEmbed, TubeletEmbed, inflate, to_grid, to_sequence

B, C, T, H, W, P, D = 2, 3, 5, 8, 12, 4, 7
GRID = Grid(5, 2, 3)


def video(seed=0):
    return torch.randn(B, C, T, H, W, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_grid_counts():
    assert (GRID.n, GRID.l) == (6, 30)


def test_patch_embed_is_one_linear_map_per_patch_in_t_h_w_order():
    embed = PatchEmbed(patch_size=P, width=D).double()
    tokens, grid = embed(video())
    assert grid == GRID and tokens.shape == (B, GRID.l, D)
    weight = embed.proj.weight.reshape(D, -1)
    for t in range(T):
        for h in range(2):
            for w in range(3):
                patch = video()[:, :, t, h * P:(h + 1) * P, w * P:(w + 1) * P].reshape(B, -1)
                expected = patch @ weight.T + embed.proj.bias
                torch.testing.assert_close(tokens[:, t * 6 + h * 3 + w], expected)


def test_tubelet_embed_sees_both_frames():
    embed = TubeletEmbed(tubelet_size=2, patch_size=P, width=D).double()
    clip = video()[:, :, :4]
    tokens, grid = embed(clip)
    assert grid == Grid(2, 2, 3)
    box = clip[:, :, 2:4, 4:8, 8:12].reshape(B, -1)  # step 1, row 1, column 2
    expected = box @ embed.proj.weight.reshape(D, -1).T + embed.proj.bias
    torch.testing.assert_close(tokens[:, 1 * 6 + 1 * 3 + 2], expected)


def test_grid_and_sequence_are_inverse_and_time_is_slowest():
    tokens = torch.randn(B, GRID.l, D)
    x = to_grid(tokens, GRID)
    assert torch.equal(x[:, 4, 1, 2], tokens[:, 4 * 6 + 1 * 3 + 2])
    assert torch.equal(to_sequence(x), tokens)


def test_to_grid_names_the_numbers():
    with pytest.raises(ValueError, match="31 tokens do not fill a grid of 5 x 2 x 3 = 30"):
        to_grid(torch.zeros(1, 31, D), GRID)


@pytest.mark.parametrize(("shape", "message"), [
    ((C, T, H, W), "batch axis"),
    ((B, T, C, H, W), "transpose"),
    ((B, C, T, H + 1, W), "height is 9, which the patch size 4 does not divide; use 8 or 12"),
    ((B, C, T, H, 2), "width is 2, which the patch size 4 does not divide; use 4$"),
    ((B, 1, T, H, W), r"expected 3 channels on axis 1 .* a grey clip needs video.expand\(-1, 3, -1, -1, -1\)"),
    ((B, 4, T, H, W), "convert the clip, or build the model with channels=4$"),
    ((B, C, T, 6, W), "height is 6, which the patch size 4 does not divide; use 4 or 8$"),
    ((B, C, 0, H, W), "frames is 0"),
])
def test_bad_videos_are_named(shape, message):
    with pytest.raises(ValueError, match=message):
        PatchEmbed(patch_size=P, width=D)(torch.zeros(shape))


@pytest.mark.parametrize(("clip", "message"), [
    (np.zeros((B, C, T, H, W), dtype=np.float32), r"got numpy.ndarray; torch.from_numpy makes one of an array$"),
    ([[1.0]], r"as a torch.Tensor, got builtins.list$"), (None, "got builtins.NoneType$")])
def test_what_is_no_tensor_is_named(clip, message):
    for embed in (PatchEmbed(patch_size=P, width=D), TubeletEmbed(tubelet_size=1, patch_size=P, width=D)):
        with pytest.raises(TypeError, match=message):
            embed(clip)


def test_an_empty_batch_has_a_grid():
    tokens, grid = PatchEmbed(patch_size=P, width=D)(torch.zeros(0, C, T, H, W))
    assert tokens.shape == (0, GRID.l, D) and grid == GRID


def test_integer_pixels_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        PatchEmbed(patch_size=P, width=D)(torch.zeros(B, C, T, H, W, dtype=torch.uint8))


def test_tubelets_must_divide_the_frames():
    with pytest.raises(ValueError, match="frames is 5, which the patch size 2 does not divide; use 4 or 6"):
        TubeletEmbed(tubelet_size=2, patch_size=P, width=D)(video().float())


def test_inflated_filters():
    weight = torch.randn(5, 3, 4, 4)
    central = inflate(weight, 3)
    assert torch.equal(central[:, :, 1], weight) and central[:, :, [0, 2]].abs().max() == 0
    assert inflate(weight, 2)[:, :, 0].abs().max() == 0  # of two frames, the second
    average, image = inflate(weight, 4, "average"), torch.randn(2, 3, 8, 12)
    still = image[:, :, None].expand(-1, -1, 4, -1, -1)
    torch.testing.assert_close(F.conv3d(still, average, stride=4)[:, :, 0], F.conv2d(image, weight, stride=4))
    with pytest.raises(ValueError, match='how must be "central_frame" or "average"'):
        inflate(weight, 2, "copy")


# ------------------------------------------------------------------------------------------------------- positions


def plane(h, w):
    """A table that is linear in row and column centres (0..1): a proper 2-D resize keeps it linear inside."""
    rows, columns = (torch.arange(h) + 0.5) / h, (torch.arange(w) + 0.5) / w
    return torch.stack([rows[:, None].expand(h, w), columns[None].expand(h, w)], -1).reshape(h * w, 2)


def test_resize_space_keeps_rows_and_columns_apart():
    got = resize_space(plane(6, 8), (6, 8), (9, 16)).reshape(9, 16, 2)
    want = plane(9, 16).reshape(9, 16, 2)
    inner = (slice(3, -3), slice(4, -4))  # bicubic clamps at the border
    # torch's cubic (a = -0.75) bends a straight line by up to 0.008; along the wrong axis it is off by 0.1 and more
    torch.testing.assert_close(got[inner], want[inner], atol=0.01, rtol=0)


def test_resize_space_is_the_identity_at_its_own_size_and_keeps_leading_axes():
    table = torch.randn(3, 6, D)
    assert resize_space(table, (2, 3), (2, 3)) is table
    both = resize_space(table, (2, 3), (4, 5))
    assert both.shape == (3, 20, D)
    torch.testing.assert_close(both[1], resize_space(table[1], (2, 3), (4, 5)))


def test_resize_time_is_linear():
    ramp = ((torch.arange(4) + 0.5) / 4)[:, None]
    got = resize_time(ramp, 8)[1:-1, 0]  # the ends are held
    torch.testing.assert_close(got, (torch.arange(8)[1:-1] + 0.5) / 8)


def test_tables_are_resized_in_their_own_precision():
    """What float64 loses in float32 is about 1e-7; a 16-bit table is resized in float32 and rounded once."""
    table = torch.randn(6, D, dtype=torch.float64)
    rows, columns = interpolation(2, 4, cubic), interpolation(3, 5, cubic)
    want = torch.einsum("ih,jw,hwd->ijd", rows, columns, table.view(2, 3, D)).flatten(0, 1)
    got = resize_space(table, (2, 3), (4, 5))
    assert got.dtype == torch.float64
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(resize_time(table, 9), interpolation(6, 9, linear) @ table, rtol=1e-12, atol=1e-12)
    for dtype in (torch.float16, torch.bfloat16):
        half = table.to(dtype)
        assert torch.equal(resize_space(half, (2, 3), (4, 5)), resize_space(half.float(), (2, 3), (4, 5)).to(dtype))
        assert torch.equal(resize_time(half, 9), resize_time(half.float(), 9).to(dtype))


def cubic(x):
    """Keys' kernel with a = -0.75, as PyTorch has it."""
    x, a = abs(x), -0.75
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def linear(x):
    return max(0.0, 1 - abs(x))


def interpolation(old, new, kernel):
    """`(new, old)`: the share of each old value in each new one; what lies outside counts for the value at the border.

    Written out by hand: centres of new values on the old axis, and the kernel around them.
    """
    weights = torch.zeros(new, old, dtype=torch.float64)
    for i in range(new):
        centre = (i + 0.5) * old / new - 0.5
        if kernel is linear:
            centre = max(centre, 0.0)
        for j in range(math.floor(centre) - 1, math.floor(centre) + 3):
            weights[i, min(max(j, 0), old - 1)] += kernel(centre - j)
    return weights


def test_sincos_tables():
    table = sincos_1d(5, 6, fastest=1.0, slowest=0.01)
    assert table[3, 0] == pytest.approx(math.sin(3.0), abs=1e-6)
    assert table[3, 1] == pytest.approx(math.sin(0.3), abs=1e-6)
    assert table[3, 5] == pytest.approx(math.cos(0.03), abs=1e-6)
    time = sincos_time(8, 64)
    assert time.square().mean().sqrt() == pytest.approx(1.0, abs=1e-6)  # sin^2 + cos^2, times 2, over 2
    space = sincos_space(2, 3, 8).reshape(2, 3, 8)
    assert torch.equal(space[1, 0, :4], space[1, 2, :4]) and torch.equal(space[0, 2, 4:], space[1, 2, 4:])
    with pytest.raises(ValueError, match="even width"):
        sincos_1d(4, 5)
    with pytest.raises(ValueError, match="4 divides"):
        sincos_space(2, 2, 6)


def test_patches_of_a_small_grid_differ_and_neighbours_are_alike():
    h, w, width = 3, 5, 16
    table = sincos_patches(h, w, width)
    assert table.shape == (15, 16)
    torch.testing.assert_close(table.pow(2).mean(), torch.tensor(1.0))
    omega = [math.pi / 2 * (2 / (2 * w)) ** (i / 3) for i in range(4)]  # pi/2 down to pi/10
    for row in range(h):
        for column in range(w):
            for place, start in ((row, 0), (column, 8)):
                for i, frequency in enumerate(omega):
                    got = table[row * w + column, [start + i, start + 4 + i]]
                    angle = place * frequency
                    expected = math.sqrt(2) * torch.tensor([math.sin(angle), math.cos(angle)])
                    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)
    alike = table @ table.T / width
    assert alike.fill_diagonal_(-1).max() < 0.9  # no two places look the same
    assert alike[0, 1] > alike[0, 2] and alike[0, 5] > alike[0, 10]  # a neighbour looks more alike than the next one


def test_space_positions_keep_cls_apart_when_resized():
    table = SpacePositions(h=2, w=3, width=D, std=1.0)
    assert torch.equal(table(2, 3), table.table)
    bigger = table(4, 5)
    assert bigger.shape == (21, D) and torch.equal(bigger[0], table.table[0])
    torch.testing.assert_close(bigger[1:], resize_space(table.table[1:], (2, 3), (4, 5)))
    assert SpacePositions(h=2, w=3, width=D, cls=False)(2, 3).shape == (6, D)


def test_time_positions_starts():
    assert TimePositions(frames=T, width=6).table.count_nonzero() == 0
    assert torch.equal(TimePositions(frames=T, width=6, start="sincos")(T), sincos_time(T, 6))
    assert TimePositions(frames=400, width=6, start=0.5).table.detach().std() == pytest.approx(0.5, rel=0.1)
    with pytest.raises(ValueError, match="start must be"):
        TimePositions(frames=T, width=6, start="random")


def test_joint_positions_resize_space_and_time_separately():
    table = JointPositions(grid=GRID, width=D, std=1.0)
    assert torch.equal(table(GRID), table.table)
    got = table(Grid(3, 4, 5))
    assert got.shape == (1 + 60, D) and torch.equal(got[0], table.table[0])
    per_frame = torch.stack([resize_space(frame, (2, 3), (4, 5)) for frame in table.table[1:].unflatten(0, (5, 6))])
    want = torch.stack([resize_time(per_frame[:, i], 3) for i in range(20)], dim=1)
    torch.testing.assert_close(got[1:].unflatten(0, (3, 20)), want)
