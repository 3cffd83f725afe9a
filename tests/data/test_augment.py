"""Augmentation: alike in all frames, different from clip to clip, the same from the same seed; and the right pixels."""

import colorsys
import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from videoformer_edu.data.augment import (
    Augment,
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    colour_jitter,
    erase_tubes,
    horizontal_flip,
    random_boxes,
    random_resized_crop,
)
from videoformer_edu.data.mirroring import mirrored_directions
from videoformer_edu.data.mixing import mix
from videoformer_edu.data.motion import motion_batch
from videoformer_edu.data.views import temporal_subsample

FULL = Augment(area=(0.2, 0.9), size=(9, 10), flip=0.5, mirrored="unchanged", brightness=0.4, contrast=0.3,
               saturation=0.3, hue=0.1, erase=0.5)
STRENGTHS = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# Every random transform as (clips, labels, generator) -> clips
TRANSFORMS = {
    "crop": lambda x, y, g: random_resized_crop(x, (9, 10), generator=g),
    "flip": lambda x, y, g: horizontal_flip(x, y, mirrored="unchanged", generator=g)[0],
    "jitter": lambda x, y, g: colour_jitter(x, **STRENGTHS, generator=g),
    "erase": lambda x, y, g: erase_tubes(x, p=1.0, generator=g),
    "mixup": lambda x, y, g: mix(x, y, classes=6, mixup=0.8, generator=g)[0],
    "cutmix": lambda x, y, g: mix(x, y, classes=6, cutmix=0.8, generator=g)[0],
    "frames": lambda x, y, g: temporal_subsample(x, 4, sampling="segments", generator=g),
    "all": lambda x, y, g: FULL(x, y, g)[0],
}
LABELS = torch.arange(6)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_frames_that_were_equal_stay_equal(name):
    still = torch.rand(6, 3, 1, 12, 17).expand(-1, -1, 5, -1, -1)
    before = still.clone()
    out = TRANSFORMS[name](still, LABELS, generator())
    assert out.shape[:3] == (6, 3, 4 if name == "frames" else 5)
    assert torch.equal(out, out[:, :, :1].expand_as(out))
    assert torch.equal(still, before)
    assert out.shape != still.shape or not torch.equal(out, still)  # something was done


@pytest.mark.parametrize("name", ["crop", "flip", "jitter", "erase", "frames", "all"])
def test_clips_that_were_equal_become_different(name):
    """All from each other; a flip has but two results."""
    same = torch.rand(1, 3, 20, 12, 17).expand(6, -1, -1, -1, -1)
    out = TRANSFORMS[name](same, LABELS, generator())
    assert len(out.flatten(1).unique(dim=0)) >= (2 if name == "flip" else 6)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_generator_alone_decides(name):
    clips = torch.rand(6, 3, 11, 12, 17)
    chance = generator(5)
    first = TRANSFORMS[name](clips, LABELS, chance)
    second = TRANSFORMS[name](clips, LABELS, chance)
    torch.manual_seed(1)
    assert torch.equal(TRANSFORMS[name](clips, LABELS, generator(5)), first)
    assert not torch.equal(first, second)


# The recipe


def test_a_recipe_is_its_steps_in_order():
    clips, labels, chance = torch.rand(6, 3, 4, 12, 17), torch.arange(6), generator(3)
    recipe = dataclasses.replace(FULL, aspect=(0.5, 0.8), flip=0.7, mirrored=mirrored_directions("motion"), erase=0.4)
    out, new = recipe(clips, labels, generator(3))

    expected = random_resized_crop(clips, (9, 10), area=(0.2, 0.9), aspect=(0.5, 0.8), generator=chance)
    expected, flipped = horizontal_flip(expected, labels, mirrored=(1, 0, 2, 3, 6, 7, 4, 5), p=0.7, generator=chance)
    expected = colour_jitter(expected, brightness=0.4, contrast=0.3, saturation=0.3, hue=0.1, generator=chance)
    expected = erase_tubes(expected, p=0.4, generator=chance)
    assert torch.equal(out, expected) and torch.equal(new, flipped)
    assert not torch.equal(new, labels)


def test_bytes_and_floats_are_augmented_alike():
    batch = motion_batch(6, seed=0)
    from_bytes, labels = FULL(batch.clips, batch.direction, generator())
    from_floats, _ = FULL(batch.clips.float() / 255, batch.direction, generator())
    assert from_bytes.dtype == torch.float32 and 0 <= from_bytes.min() and from_bytes.max() <= 1
    assert torch.equal(from_bytes, from_floats) and torch.equal(labels, batch.direction)


def test_without_a_size_the_crop_keeps_the_size_of_the_clips():
    out, _ = Augment(area=(0.3, 0.6))(torch.rand(2, 3, 4, 12, 17), torch.tensor([0, 1]), generator())
    assert out.shape == (2, 3, 4, 12, 17)


def test_by_default_nothing_happens():
    clips, labels = torch.rand(2, 3, 4, 12, 17), torch.tensor([0, 1])
    out, new = Augment()(clips, labels, generator())
    assert torch.equal(out, clips) and torch.equal(new, labels)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"flip": 0.5}, "flip is 0.5 and mirrored is missing: which label has a mirrored clip"),
        ({"flip": 1.5, "mirrored": "unchanged"}, "flip is 1.5; expected a number from 0 to 1"),
        ({"flip": 0.5, "mirrored": (1, 2, 0)}, "a clip flipped twice must have its first label again"),
        ({"size": 8}, "size is 8 and area is missing"),
        ({"size": (8, 0), "area": (0.1, 1.0)}, "size is 0"),
        ({"area": (0.0, 1.0)}, r"area is \(0.0, 1.0\); expected \(low, high\) with 0 < low <= high <= 1"),
        ({"area": (0.5, 1.5)}, r"area is \(0.5, 1.5\); expected"),
        ({"aspect": (1.0, 0.5)}, r"aspect is \(1.0, 0.5\); expected \(low, high\) with 0 < low <= high$"),
        ({"contrast": -1}, "contrast is -1; expected a number from 0 to inf"),
        ({"hue": 0.7}, "hue is 0.7; expected a number from 0 to 0.5"),
        ({"flip": 0.5, "mirrored": "no"}, "mirrored is 'no'; expected \"unchanged\", or the label of each"),
        ({"erase": 2}, "erase is 2; expected a number from 0 to 1"),
    ],
)
def test_bad_recipes_are_refused_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        Augment(**options)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((torch.rand(3, 4, 5, 6), torch.tensor([1])), ValueError, r"clips are \(3, 4, 5, 6\); expected .*\(b, c, t"),
        ((torch.rand(2, 4, 3, 5, 6), LABELS[:2]), ValueError, r"looks like \(t, c, h, w\) .*clips.transpose\(-4, -3\)"),
        ((torch.rand(2, 5, 4, 6, 3), LABELS[:2]), ValueError, r"looks like \(t, h, w, c\) .*clips.movedim\(-1, -4\)"),
        ((torch.rand(2, 2, 4, 5, 6), LABELS[:2]), ValueError, r"clips are \(2, 2, 4, 5, 6\); expected .* c = 1 or 3$"),
        ((torch.rand(2, 3, 4, 0, 6), LABELS[:2]), ValueError, "no axis empty"),
        ((torch.ones(2, 3, 4, 5, 6).long(), LABELS[:2]), TypeError, "clips are torch.int64; expected uint8 or float"),
        (([[1.0]], LABELS[:2]), TypeError, "clips are a list; expected uint8 or float"),
        ((torch.rand(2, 3, 4, 5, 6) - 0.5, LABELS[:2]), ValueError, "normalise comes last"),
        ((torch.rand(2, 3, 4, 5, 6) * 255, LABELS[:2]), ValueError, "divide them by 255"),
        ((torch.rand(2, 3, 4, 5, 6), LABELS), ValueError, r"labels are \(6,\); expected \(2,\)"),
        ((torch.rand(2, 3, 4, 5, 6), torch.rand(2, 6)), TypeError, "labels are torch.float32"),
    ],
)
def test_a_recipe_checks_what_it_is_given(arguments, error, message):
    with pytest.raises(error, match=message):
        Augment()(*arguments, generator())


def test_a_recipe_needs_a_generator_even_if_it_draws_nothing():
    with pytest.raises(ValueError, match="generator is None; expected one on the CPU"):
        Augment()(torch.rand(2, 3, 4, 5, 6), LABELS[:2], None)


@pytest.mark.parametrize("name", ["crop", "flip", "jitter", "erase"])
def test_each_step_by_itself_needs_clips_and_a_generator(name):
    with pytest.raises(ValueError, match="generator is None; expected one on the CPU"):
        TRANSFORMS[name](torch.rand(6, 3, 4, 12, 17), LABELS, None)
    with pytest.raises(ValueError, match=r"clips are \(6, 4, 3, 12, 17\); .*looks like \(t, c, h, w\)"):
        TRANSFORMS[name](torch.rand(6, 4, 3, 12, 17), LABELS, generator())


def test_grey_clips_have_neither_saturation_nor_hue():
    with pytest.raises(ValueError, match=r"clips are \(2, 1, 4, 5, 6\); saturation and hue belong to RGB"):
        colour_jitter(torch.rand(2, 1, 4, 5, 6), hue=0.1, generator=generator())


# Random boxes


def blank(batch, height, width):
    """Clips of that size, of which nothing but the size is looked at."""
    return torch.zeros(1).expand(batch, 1, 2, height, width)


def scaled(clip, height, width):
    return F.interpolate(clip, size=(height, width), mode="bilinear", align_corners=False, antialias=True)


def coordinates(batch, frames, height, width):
    """Clips whose channels are the row, the column and the frame of each pixel."""
    rows, columns = torch.arange(height).float().view(-1, 1), torch.arange(width).float()
    times = torch.arange(frames).float().view(-1, 1, 1)
    axes = [axis.expand(frames, height, width) for axis in (rows, columns, times)]
    return torch.stack(axes).expand(batch, -1, -1, -1, -1)


def test_boxes_lie_in_the_frame_and_have_the_area_and_aspect_asked_for():
    """All areas fit here, so they are uniform, and so is the logarithm of the aspect ratio; places are uniform."""
    area, aspect, count = (0.1, 0.5), (1 / 2, 1.6), 4000
    boxes = random_boxes(blank(count, 900, 1000), area, aspect, generator())
    top, left, height, width = (numbers.double() for numbers in boxes)
    assert 0 <= top.min() and (top + height).max() <= 900 and 0 <= left.min() and (left + width).max() <= 1000
    uniform = {
        "area": (height * width / 9e5 - area[0]) / (area[1] - area[0]),
        "aspect": (width / height / aspect[0]).log() / math.log(aspect[1] / aspect[0]),
        "top": (top + 0.5) / (900 - height + 1),
        "left": (left + 0.5) / (1000 - width + 1),
    }
    for name, values in uniform.items():
        assert -0.01 < values.min() and values.max() < 1.01, name
        ranks = (torch.arange(count) + 0.5) / count
        assert (values.sort().values - ranks).abs().max() < 2 / count**0.5, name  # Kolmogorov, far beyond 99.9 %


def test_a_box_takes_every_place_up_to_the_edge():
    boxes = random_boxes(blank(500, 4, 6), (0.25, 0.25), (1.5, 1.5), generator())
    assert set(boxes.height.tolist()) == {2} and set(boxes.width.tolist()) == {3}
    places = {*zip(boxes.top.tolist(), boxes.left.tolist(), strict=True)}
    assert places == {(top, left) for top in range(3) for left in range(4)}


@pytest.mark.parametrize(
    "height, width, expected", [(10, 100, (0, 42, 10, 15)), (100, 10, (44, 0, 12, 10)), (7, 3, (1, 0, 4, 3))]
)
def test_where_no_area_fits_the_box_is_the_largest_in_the_middle(height, width, expected):
    boxes = random_boxes(blank(3, height, width), (0.99, 1.0), (0.8, 1.5), generator())
    assert all(tuple(box) == expected for box in zip(*(numbers.tolist() for numbers in boxes), strict=True))


def test_boxes_in_the_smallest_frame_have_one_pixel():
    boxes = random_boxes(blank(9, 1, 1), (0.01, 1.0), (1 / 3, 3), generator())
    assert [set(numbers.tolist()) for numbers in boxes] == [{0}, {0}, {1}, {1}]


def test_inside_is_true_in_the_box_alone():
    boxes = random_boxes(blank(5, 7, 9), (0.05, 0.5), (1 / 2, 2), generator())
    inside = boxes.inside(blank(5, 7, 9))
    assert inside.shape == (5, 1, 1, 7, 9)
    inside = inside[:, 0, 0]
    for picture, top, left, height, width in zip(inside, *(numbers.tolist() for numbers in boxes), strict=True):
        expected = torch.zeros(7, 9, dtype=torch.bool)
        expected[top : top + height, left : left + width] = True
        assert torch.equal(picture, expected)


# Random resized crop


def test_the_crop_is_the_slice_of_its_box_scaled():
    clips = torch.rand(5, 3, 4, 21, 34)
    options = {"area": (0.1, 0.7), "aspect": (1 / 2, 2)}
    out = random_resized_crop(clips, (8, 11), **options, generator=generator(3))
    boxes = random_boxes(clips, **options, generator=generator(3))
    assert out.shape == (5, 3, 4, 8, 11)
    for mine, clip, top, left, height, width in zip(out, clips, *(n.tolist() for n in boxes), strict=True):
        torch.testing.assert_close(mine, scaled(clip[..., top : top + height, left : left + width], 8, 11))


def test_a_crop_keeps_rows_columns_and_frames_apart():
    """On pixels that say where they were: centre and scale of the box can be read off, alike in all frames."""
    clips = coordinates(40, 5, 60, 90)
    out = random_resized_crop(clips, (60, 90), area=(0.2, 0.5), aspect=(3 / 4, 4 / 3), generator=generator())
    row, column, time = out.unbind(1)  # (b, t, h, w)
    assert torch.equal(row, row[:, :1].expand_as(row)) and torch.equal(column, column[:, :1].expand_as(column))
    torch.testing.assert_close(time, clips[:, 2, :, :1, :1].expand_as(time))
    torch.testing.assert_close(row, row[..., :1].expand_as(row))
    torch.testing.assert_close(column, column[..., :1, :].expand_as(column))
    height = (row[:, 0, 40, 0] - row[:, 0, 20, 0]) / 20 * 60  # it was enlarged, so pixels lie evenly
    width = (column[:, 0, 0, 60] - column[:, 0, 0, 30]) / 30 * 90
    assert ((height - height.round()).abs() < 1e-3).all() and ((width - width.round()).abs() < 1e-3).all()
    assert len({*zip(height.round().tolist(), width.round().tolist(), strict=True)}) > 30  # each clip its own
    assert ((height * width > 0.19 * 5400) & (height * width < 0.51 * 5400)).all()
    top = row.mean(dim=(1, 2, 3)) - (height - 1) / 2
    left = column.mean(dim=(1, 2, 3)) - (width - 1) / 2
    assert top.min() > -1e-3 and (top + height).max() < 60 + 1e-3
    assert left.min() > -1e-3 and (left + width).max() < 90 + 1e-3


def test_shrinking_averages():
    """A checkerboard half as large is grey; a crop that picked single pixels would be black or white."""
    board = (torch.arange(64).view(-1, 1) + torch.arange(64)).remainder(2).float().expand(1, 1, 2, 64, 64)
    out = random_resized_crop(board, 16, area=(1, 1), aspect=(1, 1), generator=generator())
    assert (out - 0.5).abs().max() < 0.02


def test_the_whole_frame_at_its_own_size_is_the_clip():
    clips = torch.rand(2, 3, 4, 6, 6)
    torch.testing.assert_close(random_resized_crop(clips, 6, area=(1, 1), aspect=(1, 1), generator=generator()), clips)


def test_bytes_are_cut_as_floats_are_to_one_grey_level():
    clips = torch.randint(0, 256, (3, 3, 4, 21, 34), dtype=torch.uint8)
    out = random_resized_crop(clips, 9, generator=generator())
    exact = random_resized_crop(clips.double(), 9, generator=generator())
    assert out.dtype == torch.uint8 and exact.dtype == torch.float64
    assert (out - exact).abs().max() <= 1


# Random erasing


def holes(before, after):
    """Where the pixels changed, alike in all channels: `(b, t, h, w)`."""
    changed = before != after
    assert torch.equal(changed, changed[:, :1].expand_as(changed))
    return changed[:, 0]


def test_a_tube_is_one_box_of_the_clips_mean_colour_through_all_frames():
    clips = torch.rand(50, 3, 4, 21, 34)
    out = erase_tubes(clips, p=1.0, area=(0.1, 0.3), aspect=(1 / 2, 2), generator=generator())
    hole = holes(clips, out)
    for clip, result, frames in zip(clips, out, hole, strict=True):
        assert torch.equal(frames, frames[:1].expand_as(frames))
        rows, columns = frames[0].any(dim=1).nonzero().flatten(), frames[0].any(dim=0).nonzero().flatten()
        height, width = (int(line[-1] - line[0]) + 1 for line in (rows, columns))
        assert frames[0].sum() == height * width  # a filled rectangle
        assert 0.08 < height * width / (21 * 34) < 0.33 and 0.45 < width / height < 2.2
        expected = torch.stack([channel.mean() for channel in clip])
        torch.testing.assert_close(result[:, frames], expected[:, None].expand(3, int(frames.sum())))
    assert len(hole.flatten(1).unique(dim=0)) > 45


def test_how_many_are_erased_and_how_large():
    clips = torch.arange(4.0).view(1, 1, 1, 2, 2).repeat(2000, 1, 1, 10, 10)
    hole = holes(clips, erase_tubes(clips, p=0.3, area=(0.1, 0.4), aspect=(1, 1), generator=generator()))[:, 0]
    share = hole.flatten(1).float().mean(dim=1)
    assert abs((share > 0).float().mean().item() - 0.3) < 5 * (0.3 * 0.7 / 2000) ** 0.5
    erased = share[share > 0]
    assert abs(erased.mean().item() - 0.25) < 5 * (0.3 / math.sqrt(12)) / len(erased) ** 0.5 + 0.005  # whole pixels


# Colour


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
    red, green, blue = torch.eye(3).view(3, 1, 3, 1, 1, 1)  # three clips of one pixel
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
    together = adjust(clips, factors.view(3, 1, 1, 1, 1))
    for clip, factor, out in zip(clips, factors.tolist(), together, strict=True):
        torch.testing.assert_close(out, adjust(clip[None], factor)[0])


def test_frames_that_differ_are_changed_by_one_rule():
    """A dark frame and a bright one: contrast about the mean of each frame would make them alike."""
    clip = torch.stack([torch.full((3, 5, 6), 0.2), torch.full((3, 5, 6), 0.8)], dim=1)
    seen = adjust_contrast(clip[None], 0.5).mean(dim=(0, 1, 3, 4))
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
        clips = adjust(clips, low + (high - low) * torch.rand(2, 1, 1, 1, 1, generator=chance))
    torch.testing.assert_close(out, clips)


def test_without_strength_nothing_happens():
    clips = torch.rand(2, 3, 4, 5, 6)
    assert torch.equal(colour_jitter(clips, generator=generator()), clips)


def test_the_clips_given_stay_as_they_are():
    clips = torch.rand(2, 3, 4, 5, 6)
    before = clips.clone()
    colour_jitter(clips, brightness=0.3, contrast=0.2, saturation=0.4, hue=0.1, generator=generator(3))
    assert torch.equal(clips, before)


