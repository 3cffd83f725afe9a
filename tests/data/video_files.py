"""Video files written by the tests themselves, so that each fault is known exactly."""

import av
import numpy as np

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
