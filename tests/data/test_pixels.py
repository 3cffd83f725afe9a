"""The scale of pixel values, and the one place where clips are normalised."""

import numpy as np
import pytest
import torch

from videoformer_edu.data.pixels import MOTION_PIXELS, Pixels, normalise, unit_range
from videoformer_edu.data.video import clips

BYTES = torch.arange(2 * 3 * 4 * 5 * 7).remainder(256).to(torch.uint8).view(2, 3, 4, 5, 7)  # b c t h w
MEAN, STD = PIXELS = Pixels((0.1, 0.2, 0.3), (0.5, 0.4, 0.2))


def test_bytes_become_floats_in_0_to_1():
    unit = unit_range(BYTES)
    assert unit.dtype == torch.float32 and (unit.min(), unit.max()) == (0, 1)
    np.testing.assert_allclose(unit.numpy(), BYTES.numpy() / 255, rtol=1e-6)


def test_floats_in_0_to_1_stay_as_they_are():
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        unit = torch.rand(3, 4, 5, 7).to(dtype)
        assert unit_range(unit) is unit


@pytest.mark.parametrize("shape", [(2, 3, 4, 5, 7), (3, 4, 5, 7)])
def test_each_channel_has_its_own_mean_and_std(shape):
    given = BYTES[: shape[0]] if len(shape) == 5 else BYTES[1]
    channel = -4
    mean, std = (np.array(n).reshape(3, 1, 1, 1) for n in (MEAN, STD))
    expected = (given.numpy() / 255 - mean) / std
    before = given.clone()
    for pixels in (given, unit_range(given)):
        out = normalise(pixels, PIXELS)
        assert out.dtype == torch.float32 and out.shape[channel] == 3
        np.testing.assert_allclose(out.numpy(), expected, atol=1e-5)
    assert torch.equal(given, before)


def test_floats_are_not_changed_in_place():
    unit = torch.rand(3, 4, 5, 7)
    before = unit.clone()
    normalise(unit, PIXELS)
    assert torch.equal(unit, before)


@pytest.mark.parametrize("shape", [(7,), (2, 3, 5, 4), (2, 3, 4, 5, 7)])
def test_where_the_channels_do_not_differ_any_shape_will_do(shape):
    unit = torch.rand(shape, dtype=torch.float64)
    torch.testing.assert_close(normalise(unit, MOTION_PIXELS), (unit - 0.35) / 0.25)
    torch.testing.assert_close(normalise(unit, Pixels((0.1,), (0.2,))), (unit - 0.1) / 0.2)


@pytest.mark.parametrize("pixels", [Pixels(MEAN, (0.5,) * 3), Pixels((0.5,) * 3, STD)])
def test_one_of_the_two_may_be_the_same_for_all_channels(pixels):
    unit = torch.rand(2, 3, 4, 5, 7)
    mean, std = (torch.tensor(numbers).view(3, 1, 1, 1) for numbers in pixels)
    torch.testing.assert_close(normalise(unit, pixels), (unit - mean) / std)


def test_a_raw_clip_is_normalised_by_this_function():
    raw = BYTES[0].permute(1, 2, 3, 0)  # (t, h, w, c)
    torch.testing.assert_close(clips.to_model_input(raw, PIXELS), normalise(BYTES[0], PIXELS), atol=0, rtol=0)


@pytest.mark.parametrize(
    "pixels, error, message",
    [
        (BYTES.float(), ValueError, "clips go from 0 to 255; expected float in 0 ... 1, or uint8: divide them by 255"),
        (BYTES.float() / 127.5 - 1, ValueError, "clips go from -1 to 1; .* normalise comes last, and once"),
        (torch.full((3, 2, 4, 5), float("nan")), ValueError, "clips go from nan to nan"),
        (BYTES.long(), TypeError, "clips are torch.int64; expected uint8 in 0 ... 255 or float in 0 ... 1"),
        (BYTES.transpose(1, 2), ValueError, r"clips are \(2, 4, 3, 5, 7\); .*looks like \(t, c, h, w\)"),
        (BYTES[0].permute(1, 2, 3, 0), ValueError, r"clips are \(4, 5, 7, 3\); .*looks like \(t, h, w, c\)"),
        (BYTES[0, :, 0], ValueError, r"clips are \(3, 5, 7\); expected uint8 or float \(b, c, t, h, w\) or \(c, t"),
        (BYTES[:, :1], ValueError, "mean has 3 and std 3 numbers; expected one for each of the 1 channels"),
    ],
)
def test_bad_pixels(pixels, error, message):
    with pytest.raises(error, match=message):
        normalise(pixels, PIXELS)
