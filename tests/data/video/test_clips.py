"""Choosing frames, cutting squares, and a whole file read as a model wants it."""

import time

import av
import numpy as np
import pytest
import torch
from PIL import Image
from video_files import PIXELS, frame_numbers, frame_pictures, write_video

from videoformer_edu.data.assets import example_clip_path
from videoformer_edu.data.pixels import Pixels
from videoformer_edu.data.video.clips import (
    clip_info,
    decode_frames,
    read_clip,
    read_frames,
    resize_crop,
    sample_indices,
    to_model_input,
)
from videoformer_edu.data.video.decoding import TooFewFrames


def generator(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "total, frames, expected",
    [
        (8, 8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (9, 3, [1, 4, 7]),
        (250, 8, [15, 46, 78, 109, 140, 171, 203, 234]),
        (11, 4, [1, 4, 6, 9]),
        (7, 1, [3]),
    ],
)
def test_uniform_sampling_takes_the_middles(total, frames, expected):
    assert sample_indices(total, frames) == expected


@pytest.mark.parametrize("total, frames", [(5, 5), (11, 4), (250, 8)])
def test_segment_sampling_takes_any_frame_of_each_segment(total, frames):
    seen = [set() for _ in range(frames)]
    chance = generator(0)
    for _ in range(60 * total):
        chosen = sample_indices(total, frames, sampling="segments", generator=chance)
        assert len(chosen) == frames and chosen == sorted(set(chosen))
        for segment, index in zip(seen, chosen, strict=True):
            segment.add(index)
    assert sorted(index for segment in seen for index in segment) == list(range(total))  # all, in one segment each


@pytest.mark.parametrize("sampling", ["segments", "dense"])
def test_random_sampling_is_seeded(sampling):
    first, again, other = (
        sample_indices(500, 6, sampling=sampling, generator=generator(seed)) for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize(
    "total, frames, stride, expected",
    [(5, 5, 1, [0, 1, 2, 3, 4]), (11, 4, 1, [3, 4, 5, 6]), (11, 4, 3, [0, 3, 6, 9]), (99, 3, 40, [9, 49, 89])],
)
def test_central_sampling_is_the_window_in_the_middle(total, frames, stride, expected):
    assert sample_indices(total, frames, sampling="central", stride=stride) == expected


@pytest.mark.parametrize("total, frames, stride", [(5, 5, 1), (12, 4, 3), (30, 4, 7)])
def test_dense_sampling_begins_anywhere_and_keeps_its_stride(total, frames, stride):
    starts, chance = [], generator(0)
    for _ in range(100 * total):
        chosen = sample_indices(total, frames, sampling="dense", stride=stride, generator=chance)
        assert chosen == [chosen[0] + i * stride for i in range(frames)]
        starts.append(chosen[0])
    possible = total - (frames - 1) * stride  # windows that lie in the clip
    counts = np.bincount(starts)
    assert len(counts) == possible  # the last one reaches the last frame
    expected = len(starts) / possible
    assert np.abs(counts - expected).max() < 5 * expected**0.5


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"frames": 0}, ValueError, "frames is 0"),
        ({"total": -1}, ValueError, "total is -1"),
        ({"sampling": "all"}, ValueError, 'sampling is \'all\'; expected "uniform", "segments", "central" or "dense"'),
        ({"sampling": "segments"}, ValueError, 'sampling="segments" is random; give a generator'),
        ({"sampling": "dense"}, ValueError, 'sampling="dense" is random; give a generator'),
        ({"total": 5}, TooFewFrames, "the clip has 5 frames and 8 were asked for; ask for 5 or fewer"),
        ({"stride": 0}, ValueError, "stride is 0"),
        ({"stride": 2}, ValueError, 'stride is 2; it belongs to "central" and "dense", and sampling is \'uniform\''),
        (
            {"sampling": "central", "stride": 3},
            TooFewFrames,
            "the clip has 20 frames, and 8 of them 3 apart span 22; ask for fewer frames or a smaller stride",
        ),
    ],
)
def test_bad_sampling(arguments, error, message):
    with pytest.raises(error, match=message):
        sample_indices(**({"total": 20, "frames": 8} | arguments))


@pytest.mark.parametrize("height, width", [(90, 160), (101, 64), (33, 33)])
def test_resize_crop_equals_pillow_on_the_middle_square(height, width):
    clip = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8))
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    out = resize_crop(clip, 24)
    assert out.shape == (2, 24, 24, 3) and out.dtype == torch.uint8
    for mine, frame in zip(out, clip, strict=True):
        square = Image.fromarray(frame.numpy()).crop((left, top, left + side, top + side))
        expected = np.asarray(square.resize((24, 24), Image.Resampling.BILINEAR)).astype(int)
        assert np.abs(mine.numpy().astype(int) - expected).max() <= 1


def test_resize_crop_leaves_a_square_of_the_right_size_alone():
    clip = torch.randint(0, 256, (3, 16, 16, 3), dtype=torch.uint8)
    assert torch.equal(resize_crop(clip, 16), clip)


def test_a_single_pixel_becomes_an_even_square():
    clip = torch.tensor([3, 90, 200], dtype=torch.uint8).view(1, 1, 1, 3)
    assert torch.equal(resize_crop(clip, 5), clip.expand(1, 5, 5, 3))


@pytest.mark.parametrize("clip", [torch.zeros(2, 4, 4, 3), torch.zeros(4, 4, 3).byte(), torch.zeros(0, 4, 4, 3).byte()])
def test_resize_crop_says_what_it_expected(clip):
    with pytest.raises(ValueError, match=r"expected non-empty uint8 \(t, h, w, c\)"):
        resize_crop(clip, 4)


def test_to_model_input_moves_the_axes_and_normalises_each_channel():
    clip = torch.randint(0, 256, (2, 5, 7, 3), dtype=torch.uint8)
    mean, std = pixels = Pixels((0.1, 0.2, 0.3), (0.5, 0.4, 0.2))
    out = to_model_input(clip, pixels)
    assert out.shape == (3, 2, 5, 7) and out.dtype == torch.float32 and out.is_contiguous()
    expected = (clip.numpy() / 255 - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(out.numpy(), expected.transpose(3, 0, 1, 2), atol=1e-5)


def test_to_model_input_says_what_it_expected():
    with pytest.raises(ValueError, match="expected uint8"):
        to_model_input(torch.zeros(2, 5, 7, 3), PIXELS)
    with pytest.raises(ValueError, match="mean has 2 and std 2 numbers; expected one for each of the 3 channels"):
        to_model_input(torch.zeros(2, 5, 7, 3, dtype=torch.uint8), Pixels((0.5, 0.4), (0.5, 0.5)))
    with pytest.raises(TypeError, match="pixels"):  # none is the right one for all models
        to_model_input(torch.zeros(2, 5, 7, 3, dtype=torch.uint8))


def test_read_frames_and_read_clip_are_the_steps_put_together(numbered):
    raw = read_frames(numbered, frames=5)
    assert raw.shape == (5, 48, 64, 3) and frame_numbers(raw) == [6, 18, 30, 42, 54]
    square = read_frames(numbered, frames=5, size=20)
    assert torch.equal(square, resize_crop(decode_frames(numbered, [6, 18, 30, 42, 54]), 20))
    pixels = Pixels((0.1, 0.2, 0.3), (1, 2, 3))
    clip = read_clip(numbered, frames=5, size=20, pixels=pixels)
    assert torch.equal(clip, to_model_input(square, pixels))
    assert read_clip(numbered, frames=3, pixels=pixels).shape == (3, 3, 224, 224)


def test_read_clip_with_random_segments(numbered):
    chosen = frame_numbers(read_frames(numbered, frames=4, sampling="segments", generator=generator(3)))
    assert chosen == sample_indices(60, 4, sampling="segments", generator=generator(3))


def test_read_clip_with_a_dense_window(numbered):
    chosen = frame_numbers(read_frames(numbered, frames=4, sampling="dense", stride=5, generator=generator(3)))
    assert chosen == sample_indices(60, 4, sampling="dense", stride=5, generator=generator(3))
    raw = read_frames(numbered, frames=4, size=16, sampling="central", stride=5)
    assert torch.equal(raw, read_frames(numbered, frames=46, size=16, sampling="central")[15:31:5])
    clip = read_clip(numbered, frames=4, size=16, sampling="central", stride=5, pixels=PIXELS)
    assert torch.equal(clip, to_model_input(raw, PIXELS))


def test_fewer_frames_than_asked(tmp_path):
    path = write_video(tmp_path / "short.mp4", frame_pictures(5))
    with pytest.raises(TooFewFrames, match="short.mp4: the clip has 5 frames and 8 were asked for"):
        read_clip(path, pixels=PIXELS)
    assert read_clip(path, frames=5, size=32, pixels=PIXELS).shape == (3, 5, 32, 32)


@pytest.mark.parametrize("arguments, message", [({"frames": -2}, "frames is -2"), ({"size": 0}, "size is 0")])
def test_bad_arguments_come_before_the_file(arguments, message):
    with pytest.raises(ValueError, match=message):
        read_clip("no such file", pixels=PIXELS, **arguments)


def test_a_picture_of_one_pixel_is_read(tmp_path):
    path = write_video(tmp_path / "dot.mkv", frame_pictures(8, 1, 1), codec="ffv1", pixels="bgr0", options={})
    clip = read_clip(path, frames=8, size=16, pixels=Pixels((0,), (1,)))
    expected = torch.from_numpy(frame_pictures(8, 1, 1)[:, 0, 0].T / 255).float()  # (c, t)
    torch.testing.assert_close(clip, expected[:, :, None, None].expand(3, 8, 16, 16))


# The clip that comes with the package


def test_example_clip():
    path = example_clip_path()
    assert path.stat().st_size <= 300_000
    frames, height, width, fps = clip_info(path)
    assert (height, width, fps) == (180, 320, 25.0) and 2 <= frames / fps <= 3
    clip = read_clip(path, pixels=PIXELS)
    assert clip.shape == (3, 8, 224, 224) and clip.isfinite().all()
    assert 0.5 < clip.std() < 1.5  # a picture with contrast
    motion = clip.diff(dim=1).abs().mean(dim=(0, 2, 3))
    assert motion.min() > 0.05  # something moves all the time


def test_example_clip_has_its_licence_beside_it():
    text = example_clip_path().with_suffix(".txt").read_text(encoding="utf-8")
    for words in ("Blender Foundation", "www.bigbuckbunny.org", "Creative Commons Attribution 3.0", "Changes"):
        assert words in text


@pytest.mark.timing
def test_decoding_costs_what_bare_pyav_costs(tmp_path):
    """8 of 250 frames: at most twice the processor time of PyAV doing the same by hand, least of seven in turn."""
    pictures = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    picture = np.asarray(Image.fromarray(pictures).resize((640, 360), Image.Resampling.BICUBIC))
    moving = np.stack([np.roll(picture, 3 * index, axis=1) for index in range(250)])
    path = write_video(tmp_path / "long.mp4", moving, options={"preset": "ultrafast"})

    def bare():
        wanted, kept = sample_indices(250, 8), []
        with av.open(str(path)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index in wanted:
                    kept.append(frame.to_ndarray(format="rgb24"))
                if index == wanted[-1]:
                    return torch.from_numpy(np.stack(kept))

    def processor_time(read):
        start = time.process_time()
        read()
        return time.process_time() - start

    assert torch.equal(bare(), read_frames(path))
    pairs = [(processor_time(bare), processor_time(lambda: read_frames(path))) for _ in range(7)]
    by_hand, ours = (min(times) for times in zip(*pairs, strict=True))
    print(f"8 of 250 frames of 640x360: bare PyAV {1000 * by_hand:.0f} ms, read_frames {1000 * ours:.0f} ms")
    assert ours <= 2 * by_hand
