"""Colour jitter: the right colours, one factor for each clip, drawn as promised."""

import colorsys

import pytest
import torch

from videoformer_edu.data.colour import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    colour_jitter,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def by_pixel(function, clips):
    """Apply `function(red, green, blue)` to each pixel of `(b, 3, t, h, w)`, in plain Python."""
    last = clips.movedim(1, -1)
    out = torch.tensor([function(*pixel) for pixel in last.reshape(-1, 3).tolist()])
    return out.view(last.shape).movedim(-1, 1)


def primaries():
    """All mixtures of three levels, greys and ties among them: `(1, 3, 3, 3, 3)`."""
    level = torch.tensor([0.0, 0.4, 1.0])
    return torch.stack(torch.meshgrid(level, level, level, indexing="ij"))[None]


@pytest.mark.parametrize("share", [-0.5, -0.21, 0.0, 1 / 3, 0.4])
def test_hue_turns_as_in_the_standard_library(share):
    def turned(*pixel):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        return colorsys.hsv_to_rgb((hue + share) % 1, saturation, value)

    for clips in (torch.rand(2, 3, 4, 5, 6), primaries()):
        torch.testing.assert_close(adjust_hue(clips, share), by_pixel(turned, clips), atol=2e-6, rtol=0)


def test_a_third_of_the_circle_makes_red_green_and_green_blue():
    red, green, blue = torch.eye(3).view(3, 1, 3, 1, 1, 1)
    torch.testing.assert_close(adjust_hue(red, 1 / 3), green, atol=1e-6, rtol=0)
    torch.testing.assert_close(adjust_hue(green, 1 / 3), blue, atol=1e-6, rtol=0)


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.7])
def test_brightness_contrast_and_saturation(factor):
    clips = torch.rand(2, 3, 4, 5, 6)
    weights = torch.tensor([0.2989, 0.587, 0.114]).view(3, 1, 1, 1)
    grey = (clips * weights).sum(dim=1, keepdim=True)
    mean = torch.stack([clip.mean() for clip in grey]).view(2, 1, 1, 1, 1)  # of the clip, not of a frame
    for adjust, base in ((adjust_brightness, 0.0), (adjust_contrast, mean), (adjust_saturation, grey)):
        expected = (factor * clips + (1 - factor) * base).clamp(0, 1)
        torch.testing.assert_close(adjust(clips, factor), expected)


@pytest.mark.parametrize("adjust", [adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue])
def test_each_clip_has_its_own_factor(adjust):
    clips = torch.rand(3, 3, 4, 5, 6)
    factors = torch.tensor([0.2, 0.3, 0.45])
    together = adjust(clips, factors)
    for clip, factor, out in zip(clips, factors.tolist(), together, strict=True):
        torch.testing.assert_close(out, adjust(clip, factor))


def test_frames_that_differ_are_changed_by_one_rule():
    """A dark frame and a bright one: contrast about the mean of each frame would make them alike."""
    clip = torch.stack([torch.full((3, 5, 6), 0.2), torch.full((3, 5, 6), 0.8)], dim=1)
    seen = adjust_contrast(clip, 0.5).mean(dim=(0, 2, 3))
    torch.testing.assert_close(seen, torch.tensor([0.35, 0.65]), atol=1e-4, rtol=0)


def test_factors_are_uniform_and_independent():
    """Read off a grey 0.25, which brightness multiplies."""
    count = 2000
    clips = torch.full((count, 1, 1, 1, 1), 0.25)
    factor = colour_jitter(clips, brightness=0.6, generator=generator()).flatten() * 4
    ranks = (torch.arange(count) + 0.5) / count
    assert ((factor.sort().values - 0.4) / 1.2 - ranks).abs().max() < 2 / count**0.5
    assert torch.corrcoef(torch.stack([factor[1:], factor[:-1]]))[0, 1].abs() < 5 / count**0.5


def test_factors_never_go_below_zero():
    clips = torch.full((500, 1, 1, 1, 1), 0.2)
    factor = colour_jitter(clips, brightness=3.0, generator=generator()).flatten() * 5
    assert 0 < factor.min() < 0.05 and 3.95 < factor.max() < 4
    assert (factor < 1).float().mean().item() == pytest.approx(1 / 4, abs=0.1)  # uniform in 0 ... 4, none clamped to 0


def test_hue_is_turned_both_ways_up_to_its_strength():
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1, 1).expand(500, -1, -1, -1, -1)
    out = colour_jitter(red, hue=0.1, generator=generator()).flatten(1)
    share = torch.tensor([colorsys.rgb_to_hsv(*pixel)[0] for pixel in out.tolist()])
    share = (share + 0.5) % 1 - 0.5
    assert -0.1 - 1e-6 <= share.min() < -0.095 and 0.095 < share.max() <= 0.1 + 1e-6


def test_the_order_is_brightness_contrast_saturation_hue():
    clips, chance = torch.rand(2, 3, 4, 5, 6), generator(3)
    out = colour_jitter(clips, brightness=0.3, contrast=0.2, saturation=0.4, hue=0.1, generator=generator(3))
    steps = [(adjust_brightness, 0.7, 1.3), (adjust_contrast, 0.8, 1.2), (adjust_saturation, 0.6, 1.4)]
    for adjust, low, high in (*steps, (adjust_hue, -0.1, 0.1)):
        clips = adjust(clips, low + (high - low) * torch.rand(2, generator=chance))
    torch.testing.assert_close(out, clips)


def test_without_strength_nothing_happens():
    clips = torch.rand(2, 3, 4, 5, 6)
    assert torch.equal(colour_jitter(clips, generator=generator()), clips)


def test_the_clips_given_stay_as_they_are():
    clips = torch.rand(2, 3, 4, 5, 6)
    before = clips.clone()
    colour_jitter(clips, brightness=0.3, contrast=0.2, saturation=0.4, hue=0.1, generator=generator(3))
    assert torch.equal(clips, before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_type_stays(dtype):
    clips = torch.rand(2, 3, 4, 5, 6).to(dtype)
    options = {"brightness": 0.3, "contrast": 0.2, "saturation": 0.4, "hue": 0.1}
    out = colour_jitter(clips, **options, generator=generator())
    assert out.dtype == dtype
    exact = colour_jitter(clips.float(), **options, generator=generator())
    torch.testing.assert_close(out.float(), exact, atol=16 * torch.finfo(dtype).eps + 1e-5, rtol=0)


CLIPS = torch.rand(2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"clips": CLIPS.byte()}, TypeError, "clips are torch.uint8; expected float in 0 ... 1"),
        ({"clips": CLIPS * 255}, ValueError, r"expected float in 0 ... 1, or uint8: divide them by 255"),
        ({"clips": CLIPS - 0.5}, ValueError, "expected float in 0 ... 1, or uint8: normalise comes last"),
        ({"clips": CLIPS.transpose(1, 2)}, ValueError, r"looks like \(t, c, h, w\)"),
        ({"clips": CLIPS[:, :1], "hue": 0.1}, ValueError, r"clips are \(2, 1, 4, 5, 6\); saturation and hue belong"),
        ({"brightness": -0.1}, ValueError, "brightness is -0.1; expected a strength of at least 0"),
        ({"hue": 0.6}, ValueError, "hue is 0.6; expected a strength of at least 0, at most 0.5"),
        ({"generator": None}, ValueError, "generator is None; expected one on the CPU"),
    ],
)
def test_bad_arguments(change, error, message):
    with pytest.raises(error, match=message):
        colour_jitter(**({"clips": CLIPS, "brightness": 0.2, "generator": generator()} | change))
