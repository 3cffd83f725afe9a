"""Cutting and scaling: the same box in all frames, another in each clip, and exactly the pixels of that box."""

import math

import pytest
import torch
import torch.nn.functional as F

from videoformer_edu.data.boxes import random_boxes
from videoformer_edu.data.crops import centre_crop, random_resized_crop, resize, temporal_subsample, views
from videoformer_edu.data.video.decoding import TooFewFrames


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def scaled(clip, height, width):
    return F.interpolate(clip, size=(height, width), mode="bilinear", align_corners=False, antialias=True)


def coordinates(batch, frames, height, width):
    """Clips whose channels are the row, the column and the frame of each pixel."""
    rows, columns = torch.arange(height).float().view(-1, 1), torch.arange(width).float()
    times = torch.arange(frames).float().view(-1, 1, 1)
    axes = [axis.expand(frames, height, width) for axis in (rows, columns, times)]
    return torch.stack(axes).expand(batch, -1, -1, -1, -1)


# Random boxes


def test_boxes_lie_in_the_frame_and_have_the_area_and_aspect_asked_for():
    """All areas fit here, so they are uniform, and so is the logarithm of the aspect ratio; places are uniform."""
    area, aspect, count = (0.1, 0.5), (1 / 2, 1.6), 4000
    boxes = random_boxes(count, 900, 1000, area=area, aspect=aspect, generator=generator())
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
    boxes = random_boxes(500, 4, 6, area=(0.25, 0.25), aspect=(1.5, 1.5), generator=generator())
    assert set(boxes.height.tolist()) == {2} and set(boxes.width.tolist()) == {3}
    places = {*zip(boxes.top.tolist(), boxes.left.tolist(), strict=True)}
    assert places == {(top, left) for top in range(3) for left in range(4)}


@pytest.mark.parametrize(
    "height, width, expected", [(10, 100, (0, 42, 10, 15)), (100, 10, (44, 0, 12, 10)), (7, 3, (1, 0, 4, 3))]
)
def test_where_no_area_fits_the_box_is_the_largest_in_the_middle(height, width, expected):
    boxes = random_boxes(3, height, width, area=(0.99, 1.0), aspect=(0.8, 1.5), generator=generator())
    assert all(tuple(box) == expected for box in zip(*(numbers.tolist() for numbers in boxes), strict=True))


def test_boxes_in_the_smallest_frame_have_one_pixel():
    boxes = random_boxes(9, 1, 1, area=(0.01, 1.0), aspect=(1 / 3, 3), generator=generator())
    assert [set(numbers.tolist()) for numbers in boxes] == [{0}, {0}, {1}, {1}]


def test_inside_is_true_in_the_box_alone():
    boxes = random_boxes(5, 7, 9, area=(0.05, 0.5), aspect=(1 / 2, 2), generator=generator())
    inside = boxes.inside(7, 9, torch.device("cpu"))
    for picture, top, left, height, width in zip(inside, *(numbers.tolist() for numbers in boxes), strict=True):
        expected = torch.zeros(7, 9, dtype=torch.bool)
        expected[top : top + height, left : left + width] = True
        assert torch.equal(picture, expected)


# Random resized crop


def test_the_crop_is_the_slice_of_its_box_scaled():
    clips = torch.rand(5, 3, 4, 21, 34)
    options = {"area": (0.1, 0.7), "aspect": (1 / 2, 2)}
    out = random_resized_crop(clips, (8, 11), **options, generator=generator(3))
    boxes = random_boxes(5, 21, 34, **options, generator=generator(3))
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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_scaled_in_single(dtype):
    clips = torch.rand(2, 3, 4, 6, 7).to(dtype)
    assert torch.equal(resize(clips, (5, 9)), resize(clips.float(), (5, 9)).to(dtype))


def test_one_clip_alone():
    clip = torch.rand(3, 4, 13, 17)
    out = random_resized_crop(clip, 6, generator=generator())
    assert out.shape == (3, 4, 6, 6)
    assert torch.equal(out, random_resized_crop(clip[None], 6, generator=generator())[0])


# Views


def test_centre_crop_is_the_middle_square_of_the_scaled_frames():
    wide, tall = torch.rand(2, 3, 4, 18, 32), torch.rand(2, 3, 4, 32, 18)
    for clips in (wide, tall):
        small = scaled(clips.flatten(0, 1), *((9, 16) if clips is wide else (16, 9))).unflatten(0, (2, 3))
        expected = small[..., 4:13] if clips is wide else small[..., 4:13, :]  # room 7, half of it 3.5, to even
        torch.testing.assert_close(centre_crop(clips, 9), expected)
        torch.testing.assert_close(centre_crop(clips[0], 9), expected[0])


def test_views_are_windows_times_squares():
    clip = coordinates(1, 21, 8, 20)[0]
    out = views(clip, frames=4, size=8, clips=3, crops=3, stride=2)
    assert out.shape == (9, 3, 4, 8, 8)
    row, column, time = out.unbind(1)
    for view, (start, left) in enumerate((s, x) for s in (0, 7, 14) for x in (0, 6, 12)):
        assert torch.equal(row[view], torch.arange(8.0).view(-1, 1).expand(4, 8, 8))
        assert torch.equal(column[view], torch.arange(left, left + 8.0).expand(4, 8, 8))
        assert torch.equal(time[view], torch.arange(start, start + 8.0, 2).view(-1, 1, 1).expand(4, 8, 8))


def test_views_of_a_tall_clip_are_top_middle_bottom():
    clip = coordinates(1, 5, 20, 8)[0]
    out = views(clip, frames=2, size=8)
    assert out[:, 0, 0, 0, 0].tolist() == [0, 6, 12] and (out[:, 1, :, :, 0] == 0).all()
    assert (out[:, 2, :, 0, 0] == torch.tensor([1, 2])).all()  # one window: the middle, 1 + 2 + 2 frames


def test_a_single_view_is_the_centre_crop_of_the_central_window():
    clip = torch.rand(3, 9, 12, 14)
    (view,) = views(clip, frames=3, size=7, crops=1, stride=2)
    torch.testing.assert_close(view, centre_crop(clip, 7)[:, 2:8:2])


def test_where_there_is_no_room_views_repeat():
    clip = torch.randint(0, 256, (3, 4, 10, 10), dtype=torch.uint8)
    out = views(clip, frames=4, size=10, clips=2, crops=3)
    assert out.dtype == torch.uint8 and torch.equal(out, clip.expand(6, -1, -1, -1, -1))


# Frames


def test_temporal_subsample_takes_the_frames_in_the_order_given():
    clips = coordinates(2, 6, 3, 4)
    assert temporal_subsample(clips, [5, 0, 2])[:, 2, :, 0, 0].tolist() == [[5, 0, 2]] * 2
    each = temporal_subsample(clips, torch.tensor([[0, 1, 4], [3, 3, 5]]))
    assert each.shape == (2, 3, 3, 3, 4) and each[:, 2, :, 0, 0].tolist() == [[0, 1, 4], [3, 3, 5]]
    assert temporal_subsample(clips[0], [4])[2, :, 0, 0].tolist() == [4]


# Errors

CLIPS = torch.zeros(2, 3, 4, 6, 7)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"clips": CLIPS.transpose(1, 2)}, r"clips are \(2, 4, 3, 6, 7\); .*clips.transpose\(-4, -3\)"),
        ({"clips": CLIPS[0].permute(1, 2, 3, 0)}, r"clips are \(4, 6, 7, 3\); .*clips.movedim\(-1, -4\)"),
        ({"clips": CLIPS[:, :2]}, r"clips are \(2, 2, 4, 6, 7\); expected .* c = 1 or 3$"),
        ({"clips": CLIPS[..., :0, :]}, r"clips are \(2, 3, 4, 0, 7\); .* no axis empty"),
        ({"clips": CLIPS[0, 0]}, r"clips are \(4, 6, 7\); expected uint8 or float"),
        ({"size": 0}, "size is 0; expected a whole number of at least 1"),
        ({"size": (4, 5, 6)}, r"size is \(4, 5, 6\); expected a number of pixels, or \(height, width\)"),
        ({"area": (0, 1)}, r"area is \(0, 1\); expected \(low, high\) with 0 < low <= high <= 1"),
        ({"area": (0.5, 1.5)}, r"area is \(0.5, 1.5\); expected"),
        ({"aspect": (2, 1)}, r"aspect is \(2, 1\); expected \(low, high\) with 0 < low <= high$"),
        ({"generator": None}, "generator is None; expected one on the CPU"),
    ],
)
def test_bad_crops(change, message):
    arguments = {"clips": CLIPS, "size": 5, "generator": generator()} | change
    with pytest.raises(ValueError, match=message):
        random_resized_crop(**arguments)


@pytest.mark.parametrize("clips", [CLIPS.long(), CLIPS.bool(), [[1.0]]])
def test_bad_types(clips):
    with pytest.raises(TypeError, match=r"expected uint8 or float \(b, c, t, h, w\) or \(c, t, h, w\)"):
        resize(clips, 5)


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"clip": CLIPS}, ValueError, r"clip is \(2, 3, 4, 6, 7\); expected one clip \(c, t, h, w\)"),
        ({"crops": 2}, ValueError, "crops is 2; expected 1"),
        ({"clips": 0}, ValueError, "clips is 0"),
        ({"frames": 5}, TooFewFrames, "the clip has 4 frames, and 5 of them 1 apart span 5"),
        ({"frames": 3, "stride": 2}, TooFewFrames, "3 of them 2 apart span 5"),
    ],
)
def test_bad_views(change, error, message):
    with pytest.raises(error, match=message):
        views(**({"clip": CLIPS[0], "frames": 2, "size": 4} | change))


@pytest.mark.parametrize(
    "indices, error, message",
    [
        ([0, 4], IndexError, "indices go from 0 to 4; the clips have frames 0 to 3"),
        ([-1], IndexError, "indices go from -1"),
        ([0.5], ValueError, "indices are torch.float32"),
        (3, ValueError, r"indices are torch.int64 \(\); expected whole numbers \(t,\)"),
        ([[0, 1]], ValueError, r"indices are torch.int64 \(1, 2\); .* a row for each of the clips \(2, 3, 4, 6, 7\)"),
    ],
)
def test_bad_indices(indices, error, message):
    with pytest.raises(error, match=message):
        temporal_subsample(CLIPS, indices)
