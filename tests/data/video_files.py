"""Video files written by the tests themselves, so that each fault is known exactly."""

import struct

import av
import numpy as np

from videoformer_edu.data.pixels import Pixels

VP9 = {"crf": "5", "b": "0", "deadline": "realtime", "cpu-used": "8"}  # options that make it fast
PIXELS = Pixels((0.45,) * 3, (0.225,) * 3)
KINDS = ("corrupt", "cut", "empty", "text")  # of broken files
LEVELS = 4  # grey levels from one frame to the next: far enough to be told apart after lossy coding


def frame_pictures(count, height=48, width=64):
    """Frame i is grey of level 8 + 4 i, with a white square in its upper left corner."""
    pictures = np.empty((count, height, width, 3), np.uint8)
    for index in range(count):
        pictures[index] = 8 + LEVELS * index
        pictures[index, : height // 4, : width // 4] = 255
    return pictures


def frame_numbers(clip):
    """Which frames of `frame_pictures` these are, read off the pixels of the lower half: `(t, h, w, c)` -> list."""
    half = clip[:, clip.shape[1] // 2 :].float()
    return ((half.mean(dim=(1, 2, 3)) - 8) / LEVELS).round().int().tolist()


def write_video(path, pictures, *, codec="libx264", pixels="yuv420p", options=None, container=None, fps=25):
    """Encode `(t, h, w, 3)` uint8 pictures."""
    _, height, width, _ = pictures.shape
    options = {"crf": "10", "g": "12"} if options is None else options
    with av.open(str(path), "w", options=container or {}) as target:
        stream = target.add_stream(codec, rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        for picture in pictures:
            target.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        target.mux(stream.encode())
    return path


def write_audio(path, codec="pcm_s16le"):
    """A fifth of a second of silence."""
    with av.open(str(path), "w") as target:
        stream = target.add_stream(codec, rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        target.mux(stream.encode(frame))
        target.mux(stream.encode())
    return path


def noisy_pictures(count, height=96, width=128):
    """Moving noise: its coded frames are large, so that a fault in the middle of the file hits picture data."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (height, width + 4 * count, 3), dtype=np.uint8)
    return np.stack([noise[:, 4 * i : 4 * i + width] for i in range(count)])


def rotate(path, matrix):
    """A copy, turned.mp4, with a display matrix (a b, c d) in the track header of the MP4 file, as of a phone."""
    content = bytearray(path.read_bytes())
    one = 0x10000
    identity = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 0x40000000)
    start = content.index(identity, content.index(b"tkhd"))
    (a, b), (c, d) = matrix
    content[start : start + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 0x40000000)
    turned = path.parent / "turned.mp4"
    turned.write_bytes(content)
    return turned


def damaged(path, target, kind):
    """Write a copy of a video with a known fault: "corrupt" bytes in the middle, "cut" off, "empty", or mere "text"."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    if kind == "corrupt":
        content[middle - 200 : middle + 200] = bytes(255 - byte for byte in content[middle - 200 : middle + 200])
    wanted = {"corrupt": content, "cut": content[:middle], "empty": b"", "text": b"This is no video.\n"}
    target.write_bytes(wanted[kind])
    return target


def broken_paths(root):
    return {str(root / "ab"[i % 2] / f"{kind}.mp4") for i, kind in enumerate(KINDS)}
