"""Files to pixels: the right frames of a sound file, and a typed error that helps for every other one."""

import os
import sys
import types
import weakref
from fractions import Fraction

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
    TooSlow,
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


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(UnreadableClip, match="pipe.mp4 is a pipe or a device; expected one video file"):
        count_frames(tmp_path / "pipe.mp4")


@pytest.mark.parametrize("name", ["x:y.mp4", "brush: teeth/a.mp4", "http:/a.mp4", "file:a.mp4", "%03d.mp4", "a?b#.mp4"])
def test_a_relative_path_is_a_path_whatever_is_in_it(numbered, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(numbered.read_bytes())
    assert count_frames(name) == count_frames(path) == 60
    assert frame_numbers(decode_frames(name, [7])) == [7]


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


def mjpeg(path, *sizes):
    """Motion JPEG, in which each frame has a size of its own."""
    content = b""
    for height, width in sizes:
        part = write_video(path.with_suffix(".mjpeg"), frame_pictures(1, height, width), codec="mjpeg",
                           pixels="yuvj420p", options={"q": "2"})
        content += part.read_bytes()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("later", [(48, 72), (240, 320)], ids=["larger", "much larger"])
def test_frames_that_become_huge_on_the_way_are_refused(tmp_path, monkeypatch, later):
    """The first within the limit says nothing of the next. What is much too large, the decoder does not even begin."""
    path = mjpeg(tmp_path / "grows.mjpeg", (48, 64), later, later)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 48 * 64)
    decoded = []
    monkeypatch.setattr(decoding, "check_size", lambda path, *size, check=decoding.check_size: (
        decoded.append(size), check(path, *size)))
    assert decode_frames(path, [0]).shape == (1, 48, 64, 3)
    decoded.clear()
    with pytest.raises(FrameTooLarge, match=r"grows.mjpeg.* 3072 pixels. Scale it down first"):
        decode_frames(path, [0, 2])
    assert ((240, 320) in decoded) is False and ((48, 72) in decoded) is (later == (48, 72))


def test_more_frames_than_a_clip_may_keep(numbered, monkeypatch):
    monkeypatch.setattr(decoding, "MAX_BYTES", 4 * 48 * 64 * 3)
    assert len(decode_frames(numbered, [3, 5, 7, 9])) == 4
    with pytest.raises(FrameTooLarge, match="numbered.mp4: 5 frames of 64x48 pixels are more than 36864 bytes"):
        decode_frames(numbered, [3, 5, 7, 9, 11])
    halves = decode_frames(numbered, [3, 5, 7, 9, 11, 13], keep=lambda frame: frame[:, ::2])
    assert torch.equal(halves, torch.stack([decode_frames(numbered, [i])[0, :, ::2] for i in (3, 5, 7, 9, 11, 13)]))


def test_a_clip_that_does_not_fit_into_the_memory_is_named(numbered, monkeypatch):
    monkeypatch.setattr(decoding, "to_pixels", lambda *_: np.empty(2**60, np.uint8))
    with pytest.raises(FrameTooLarge, match="numbered.mp4 does not fit into the memory, at frame 3"):
        decode_frames(numbered, [3])


@pytest.mark.parametrize("read", [count_frames, lambda path: decode_frames(path, [59])])
def test_a_clip_that_takes_too_long_is_given_up(numbered, monkeypatch, read):
    monkeypatch.setattr(decoding, "MAX_SECONDS", -1)
    with pytest.raises(TooSlow, match="numbered.mp4 took more than -1 s of processor time"):
        read(numbered)


def test_packets_are_counted_and_not_kept(numbered, monkeypatch):
    """As a file of nearly a gigabyte would show: at no time are there more than two of them."""
    alive, most = weakref.WeakSet(), []

    class Packet(types.SimpleNamespace):
        __hash__ = object.__hash__

    def demux(stream):
        for i in range(500):
            packet = Packet(size=1, pts=i, duration=1, time_base=Fraction(1, 25), stream=stream, is_corrupt=False,
                            is_discard=i < 3)
            alive.add(packet)
            most.append(len(alive))
            yield packet
            del packet

    with av.open(str(numbered)) as container:
        stream = container.streams.video[0]
        fake = type("Container", (), {"format": container.format, "duration": None, "demux": staticmethod(demux),
                                      "__enter__": lambda self: self, "__exit__": lambda *_: None})()
        monkeypatch.setattr(decoding, "open_video", lambda path: (fake, stream))
        assert count_frames(numbered) == 497
    assert max(most) <= 2 and len(most) == 500


def test_without_pyav_the_error_says_how_to_install_it(numbered, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDecoder, match="run: pip install av"):
        decode_frames(numbered, [0])
    with pytest.raises(ImportError):
        clip_info(numbered)


def test_every_error_is_a_clip_error():
    kinds = [ClipNotFound, DamagedClip, FrameTooLarge, MissingDecoder, NoVideoStream, TooFewFrames, TooSlow,
             UnreadableClip]
    assert all(issubclass(kind, ClipError) for kind in kinds)
    assert not issubclass(ClipError, (ValueError, OSError))  # bad arguments are something else
