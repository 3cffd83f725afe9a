"""What an evaluation looks at: the right frames, and exactly the pixels of the right squares."""

import pytest
import torch
import torch.nn.functional as F

from videoformer_edu.data.video.clips import sample_indices
from videoformer_edu.data.video.decoding import TooFewFrames
from videoformer_edu.data.views import resize, spaced, temporal_subsample, views


def coordinates(batch, frames, height, width):
    """Clips whose channels are the row, the column and the frame of each pixel."""
    axes = torch.meshgrid(*(torch.arange(n) for n in (frames, height, width)), indexing="ij")
    return torch.stack([axes[1], axes[2], axes[0]]).float().expand(batch, -1, -1, -1, -1)


def test_views_are_windows_times_squares():
    for height, width, axis in ((8, 20, 1), (20, 8, 0)):  # left to right, or top to bottom
        clips = coordinates(2, 21, height, width)
        out = views(clips, frames=4, size=8, windows=3, crops=3, stride=2)
        assert out.shape == (2, 9, 3, 4, 8, 8)
        for view, (start, place) in enumerate((s, x) for s in (0, 7, 14) for x in (0, 6, 12)):
            top, left = (0, place) if axis else (place, 0)
            expected = clips[:, :, start : start + 8 : 2, top : top + 8, left : left + 8]
            assert torch.equal(out[:, view], expected)


def test_the_shorter_side_is_scaled_to_the_size():
    for shape in ((18, 32), (32, 18)):
        clips = torch.rand(2, 3, 4, *shape)
        sides = (9, 16) if shape[1] == 32 else (16, 9)
        small = torch.stack([F.interpolate(clip, size=sides, mode="bilinear", align_corners=False, antialias=True)
                             for clip in clips])
        expected = small[..., 4:13] if shape[1] == 32 else small[..., 4:13, :]  # room 7, half of it 3.5, to even
        torch.testing.assert_close(views(clips, frames=4, size=9)[:, 0], expected)


def test_a_single_view_is_the_middle_square_of_the_central_window():
    clips = torch.rand(2, 3, 9, 14, 18)
    indices = sample_indices(9, 3, sampling="central", stride=2)
    torch.testing.assert_close(views(clips, frames=3, size=14, stride=2)[:, 0], clips[:, :, indices, :, 2:16])


def test_where_there_is_no_room_views_repeat():
    clips = torch.randint(0, 256, (2, 3, 4, 10, 10), dtype=torch.uint8)
    out = views(clips, frames=4, size=10, windows=2, crops=3)
    assert out.dtype == torch.uint8 and torch.equal(out, clips[:, None].expand(2, 6, -1, -1, -1, -1))


def test_places_are_evenly_spaced_from_end_to_end():
    assert spaced(10, 4) == [0, 3, 7, 10] and spaced(0, 3) == [0, 0, 0] and spaced(9, 2) == [0, 9]
    assert spaced(8, 1) == [4]


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"clips": torch.zeros(3, 4, 6, 7)}, ValueError, r"clips are \(3, 4, 6, 7\); expected .*\(b, c, t, h, w\), c"),
        ({"crops": 0}, ValueError, "crops is 0; expected a whole number"),
        ({"windows": 0}, ValueError, "windows is 0"),
        ({"size": 2.5}, ValueError, "size is 2.5"),
        ({"frames": 5}, TooFewFrames, "the clip has 4 frames, and 5 of them 1 apart span 5"),
        ({"frames": 3, "stride": 2}, TooFewFrames, "3 of them 2 apart span 5"),
    ],
)
def test_bad_views(change, error, message):
    with pytest.raises(error, match=message):
        views(**({"clips": torch.zeros(2, 3, 4, 6, 7), "frames": 2, "size": 4} | change))


def test_temporal_subsample_draws_frames_for_each_clip():
    clips = coordinates(5, 31, 3, 4)
    out = temporal_subsample(clips, 4, sampling="segments", generator=torch.Generator().manual_seed(3))
    chance = torch.Generator().manual_seed(3)
    expected = [sample_indices(31, 4, sampling="segments", generator=chance) for _ in range(5)]
    assert out.shape == (5, 3, 4, 3, 4) and out[:, 2, :, 0, 0].tolist() == expected
    assert len(set(map(tuple, expected))) == 5
    assert torch.equal(out[:, :2], clips[:, :2, :4])  # rows and columns stay
    assert temporal_subsample(clips, 3)[:, 2, :, 0, 0].tolist() == [[5, 15, 25]] * 5


def test_resizing_averages_and_rounds():
    """A checkerboard half as large is grey; a scaling that picked single pixels would be black or white."""
    board = (torch.arange(64).view(-1, 1) + torch.arange(64)).remainder(2).float().expand(1, 2, 64, 64)
    assert (resize(board, (32, 16)) - 0.5).abs().max() < 0.02
    clip = torch.randint(0, 256, (3, 4, 21, 34), dtype=torch.uint8)
    small = resize(clip, (8, 11))
    assert small.dtype == torch.uint8 and torch.equal(small, resize(clip.float(), (8, 11)).round().byte())
    assert resize(clip.double(), (8, 11)).dtype == torch.float64
