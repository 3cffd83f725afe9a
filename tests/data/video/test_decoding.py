"""Files to pixels: the right frames of a sound file, and a typed error that helps for every other one."""

import sys

import av
import numpy as np
import pytest
import torch
from video_files import VP9, frame_numbers, frame_pictures, noisy_pictures, rotate, write_audio, write_video

from videoformer_edu.data.video import decoding
from videoformer_edu.data.video.decoding import (
    ClipError,
    ClipNotFound,
    DamagedClip,
    FrameTooLarge,
    MissingDecoder,
    NoVideoStream,
    TooFewFrames,
    UnreadableClip,
    clip_info,
    count_frames,
    decode_frames,
)


def test_the_frames_asked_for_in_the_order_asked_for(numbered):
    clip = decode_frames(numbered, [3, 59, 0, 3, 31])
    assert clip.shape == (5, 48, 64, 3) and clip.dtype == torch.uint8 and clip.is_contiguous()
    assert frame_numbers(clip) == [3, 59, 0, 3, 31]
    assert (clip[:, :10, :14].float().mean(dim=(1, 2, 3)) > 240).all()  # the white corner is at the upper left


def test_frames_equal_those_of_bare_pyav(numbered):
    with av.open(str(numbered)) as container:
        expected = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert torch.equal(decode_frames(str(numbered), range(60)), torch.from_numpy(expected))


@pytest.mark.parametrize(
    "name, options",
    [
        ("clip.mkv", {}),
        ("clip.ts", {}),
        ("clip.avi", {"codec": "mjpeg", "pixels": "yuvj420p", "options": {"q": "2"}}),
        ("clip.webm", {"codec": "libvpx-vp9", "options": VP9}),
    ],
)
def test_containers_with_and_without_a_frame_count(tmp_path, name, options):
    path = write_video(tmp_path / name, frame_pictures(30), **options)
    assert clip_info(path) == (30, 48, 64, 25.0)
    assert frame_numbers(decode_frames(path, [0, 7, 29])) == [0, 7, 29]


@pytest.mark.parametrize(
    "matrix, shape, corner",
    [
        (((0, 1), (-1, 0)), (64, 48), "upper right"),  # 90 degrees clockwise
        (((-1, 0), (0, -1)), (48, 64), "lower right"),
        (((0, -1), (1, 0)), (64, 48), "lower left"),
    ],
)
def test_rotation_marks_are_honoured(numbered, matrix, shape, corner):
    path = rotate(numbered, matrix)
    assert clip_info(path)[1:3] == shape
    frame = decode_frames(path, [1])[0].float()
    corners = {"upper left": frame[:8, :8], "upper right": frame[:8, -8:]}
    corners |= {"lower left": frame[-8:, :8], "lower right": frame[-8:, -8:]}
    assert [name for name, pixels in corners.items() if pixels.mean() > 200] == [corner]


@pytest.mark.parametrize("height, width", [(1, 1), (17, 33), (2, 400)])
def test_odd_sizes_are_read_as_they_are(tmp_path, height, width):
    pictures = frame_pictures(4, height, width)
    path = write_video(tmp_path / "odd.mkv", pictures, codec="ffv1", pixels="bgr0", options={})
    assert clip_info(path) == (4, height, width, 25.0)
    assert torch.equal(decode_frames(path, range(4)), torch.from_numpy(pictures))  # ffv1 loses nothing


# Files that cannot be read


def test_missing_file(tmp_path):
    with pytest.raises(ClipNotFound, match="none.mp4 does not exist; check the path"):
        count_frames(tmp_path / "none.mp4")
    with pytest.raises(FileNotFoundError):  # what a caller who knows nothing of ClipError would catch
        decode_frames("https://www.bigbuckbunny.org/clip.mp4", [0])  # an address is not a file: no network


def test_folder(tmp_path):
    with pytest.raises(UnreadableClip, match="is a folder; expected one video file"):
        decode_frames(tmp_path, [0])


def test_empty_file(tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()
    with pytest.raises(UnreadableClip, match=r"is empty \(0 bytes\)"):
        count_frames(path)


@pytest.mark.parametrize("content", [b"This is a letter, not a film.\n" * 200, bytes(5000)])
def test_not_a_video(tmp_path, content):
    path = tmp_path / "letter.mp4"
    path.write_bytes(content)
    with pytest.raises(UnreadableClip, match="cannot be opened as a video"):
        count_frames(path)
    with pytest.raises(UnreadableClip, match="cannot be opened as a video"):
        decode_frames(path, [0])


@pytest.mark.parametrize("name, codec", [("sound.wav", "pcm_s16le"), ("sound.m4a", "aac")])
def test_audio_only(tmp_path, name, codec):
    path = write_audio(tmp_path / name, codec)
    with pytest.raises(NoVideoStream, match=r"holds no video \(streams: audio\)"):
        clip_info(path)


@pytest.mark.parametrize(
    "name, codec, error",
    [("a.avi", "mpeg4", TooFewFrames), ("a.mp4", "libx264", NoVideoStream), ("a.mkv", "libx264", UnreadableClip)],
)
def test_zero_frames(tmp_path, name, codec, error):
    """The header of a video and nothing behind it: what a reader sees of it depends on the container."""
    path = tmp_path / name
    with av.open(str(path), "w") as target:
        stream = target.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        target.start_encoding()
    assert path.stat().st_size > 0
    with pytest.raises(error):
        count_frames(path)


# Files that lost something


@pytest.mark.parametrize(
    "name, container, error",
    [
        ("index_last.mp4", {}, UnreadableClip),
        ("index_first.mp4", {"movflags": "faststart"}, DamagedClip),
        ("clip.mkv", {}, DamagedClip),
    ],
)
@pytest.mark.parametrize("share", [0.35, 0.8])
def test_truncated_file(tmp_path, name, container, error, share):
    path = write_video(tmp_path / name, noisy_pictures(40), container=container)
    assert count_frames(path) == 40
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(error, match="cut off"):
        count_frames(path)
    with pytest.raises(ClipError):
        decode_frames(path, [0, 39])


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_corrupt_middle(tmp_path, capfd, name):
    path = write_video(tmp_path / name, noisy_pictures(40))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(255 - byte for byte in content[middle : middle + 400])
    path.write_bytes(content)
    with pytest.raises(DamagedClip, match="damaged|corrupt"):
        decode_frames(path, range(40))
    with pytest.raises(DamagedClip):
        decode_frames(path, [39])  # the frame itself may be whole, but those before it are not
    assert decode_frames(path, [0]).shape == (1, 96, 128, 3)  # the beginning still is
    assert capfd.readouterr() == ("", "")  # the decoder's own messages stay out of a notebook


def test_frames_of_two_sizes(tmp_path):
    small = write_video(tmp_path / "small.h264", frame_pictures(5))
    large = write_video(tmp_path / "large.h264", frame_pictures(5, 64, 80))
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises(DamagedClip, match="changes its frame size"):
        decode_frames(both, [0, 7])


def test_indices_beyond_the_end(numbered):
    with pytest.raises(TooFewFrames, match="holds 60 frames; index 60 was asked for, the last one is 59"):
        decode_frames(numbered, [2, 60])


@pytest.mark.parametrize("indices", [[], [-1, 3]])
def test_bad_indices(numbered, indices):
    with pytest.raises(ValueError, match="expected at least one, all counted from 0"):
        decode_frames(numbered, indices)


def test_huge_frames_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    path = write_video(tmp_path / "wide.mkv", frame_pictures(2, 48, 64), codec="ffv1", pixels="bgr0", options={})
    monkeypatch.setattr(decoding, "MAX_PIXELS", 48 * 64 - 1)
    with pytest.raises(FrameTooLarge, match="frames of 64x48 pixels; the limit is 3071 pixels. Scale it down"):
        decode_frames(path, [0])
    monkeypatch.setattr(decoding, "MAX_PIXELS", 48 * 64)
    assert decode_frames(path, [0]).shape == (1, 48, 64, 3)


def test_a_small_file_of_huge_frames(tmp_path):
    """A real one: 8192x4096 black pixels in half a megabyte."""
    path = tmp_path / "huge.mkv"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 8192, 4096, "yuvj420p"
        frame = av.VideoFrame(8192, 4096, "yuvj420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        target.mux(stream.encode(frame))
        target.mux(stream.encode())
    assert path.stat().st_size < 1_000_000
    with pytest.raises(FrameTooLarge, match="8192x4096"):
        count_frames(path)


def test_without_pyav_the_error_says_how_to_install_it(numbered, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDecoder, match="run: pip install av"):
        decode_frames(numbered, [0])
    with pytest.raises(ImportError):
        clip_info(numbered)


def test_every_error_is_a_clip_error():
    kinds = [ClipNotFound, DamagedClip, FrameTooLarge, MissingDecoder, NoVideoStream, TooFewFrames, UnreadableClip]
    assert all(issubclass(kind, ClipError) for kind in kinds)
    assert not issubclass(ClipError, (ValueError, OSError))  # bad arguments are something else
