"""From a video file to pixels, with PyAV; a file that cannot be trusted is an error, never a short or black clip.

PyAV (`av`) is imported when the first file is read, so the rest of the package works without it.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# A file of a few kilobytes can hold frames that fill the memory, or keep a decoder busy for hours.
MAX_PIXELS = 7680 * 4320  # of a frame: 8K
MAX_BYTES = 2**30  # of the frames of one clip that are kept at the same time
MAX_SECONDS = 120  # of processor time for one clip, so that it does not depend on what else the machine does
AGAIN = "copy or download it again"
SMALLER = "Scale it down first, for example: ffmpeg -i in.mp4 -vf scale=-2:1080 out.mp4"


class ClipError(Exception):
    """A video cannot be read as asked; the message says what was found and what to do."""


class MissingDecoder(ClipError, ImportError):
    """PyAV is not installed."""


class ClipNotFound(ClipError, FileNotFoundError):
    """There is no such file."""


class UnreadableClip(ClipError):
    """The file is empty, is not a video, or its header is lost."""


class NoVideoStream(ClipError):
    """The file is sound but holds no pictures, only audio for example."""


class DamagedClip(ClipError):
    """The file is cut off or corrupt: some frames that it announces are lost."""


class TooFewFrames(ClipError):
    """The clip is shorter than the number of frames asked for."""


class FrameTooLarge(ClipError):
    """A frame has more than `MAX_PIXELS` pixels, or all that are wanted do not fit into `MAX_BYTES` or the memory."""


class TooSlow(ClipError):
    """Reading one clip took more than `MAX_SECONDS` of processor time."""


class ClipInfo(NamedTuple):
    """Number of frames, height and width in pixels as shown (after rotation), frames per second (nan: unknown)."""

    frames: int
    height: int
    width: int
    fps: float


def import_av():
    """The PyAV module, or MissingDecoder with the command that installs it."""
    try:
        import av
    except ImportError as error:
        raise MissingDecoder(
            "reading video files needs PyAV, which is not installed; run: pip install av"
        ) from error
    return av


def open_video(path: str | os.PathLike):
    """Open a file and return `(container, video stream)`; the caller closes the container."""
    av = import_av()
    path = Path(path)
    if not path.exists():
        raise ClipNotFound(f"{path} does not exist; check the path (the current folder is {Path.cwd()})")
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        raise UnreadableClip(f"{path} is {kind}; expected one video file")
    if path.stat().st_size == 0:
        raise UnreadableClip(f"{path} is empty (0 bytes); {AGAIN}")
    try:
        container = av.open(f"file:{path}")  # without it, what stands before a colon would be taken for a protocol
    except av.FFmpegError as error:
        raise UnreadableClip(
            f"{path} cannot be opened as a video: it is not one, or it is cut off and its index is lost "
            f"({error.strerror})"
        ) from error
    try:
        if not container.streams.video:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "none"
            raise NoVideoStream(f"{path} holds no video (streams: {kinds}); expected a file with pictures")
        stream = container.streams.video[0]
        if torch.utils.data.get_worker_info() is not None:
            stream.codec_context.thread_count = 1  # the workers of a loader share the cores already
        # The decoder itself refuses what comes later and is much too large, before it asks for the memory.
        stream.codec_context.options = {"max_pixels": str(2 * MAX_PIXELS)}
        check_size(path, stream.codec_context.height, stream.codec_context.width)
    except ClipError:
        container.close()
        raise
    return container, stream


def check_size(path: str | os.PathLike, height: int, width: int) -> None:
    if height * width > MAX_PIXELS:
        raise FrameTooLarge(f"{path} has frames of {width}x{height} pixels; the limit is {MAX_PIXELS} pixels. "
                            + SMALLER)


def check_time(path: str | os.PathLike, start: float) -> None:
    if time.process_time() - start > MAX_SECONDS:
        raise TooSlow(f"{path} took more than {MAX_SECONDS} s of processor time; make it shorter or smaller, for "
                      "example: ffmpeg -i in.mp4 -t 60 -vf scale=-2:480 out.mp4")


def count_frames(path: str | os.PathLike) -> int:
    """How many frames a video has. Packets are counted and nothing is decoded.

    A file that is cut off is found out by what its header announces, the number of frames or (Matroska, WebM) the
    length. A stream that announces neither, such as MPEG-TS, is as long as what is left of it.

    Raises a ClipError: ClipNotFound, UnreadableClip, NoVideoStream, DamagedClip, TooFewFrames, FrameTooLarge, TooSlow.
    """
    av = import_av()
    start = time.process_time()
    container, stream = open_video(path)
    own = sound = shown = end = 0
    with container:
        timed = "matroska" in container.format.name and container.duration is not None
        try:
            # The length of Matroska is that of its longest stream, so all streams are looked at.
            for packet in container.demux() if timed else container.demux(stream):
                check_time(path, start)
                if timed and packet.size and packet.pts:
                    end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
                if packet.size and packet.stream.index == stream.index:
                    own += 1
                    sound += not packet.is_corrupt
                    shown += not packet.is_discard  # an edit list may hide some
        except av.FFmpegError as error:
            raise DamagedClip(f"{path} is damaged and cannot be read to its end ({error.strerror})") from error
        announced = max(stream.frames, own)  # stream.frames is 0 where the container does not say
        if sound < announced:
            raise DamagedClip(f"{path} is cut off or corrupt: {sound} of {announced} frames can be read; {AGAIN}")
        if timed:
            length = container.duration / av.time_base
            if end < 0.98 * length - 0.1:
                raise DamagedClip(f"{path} is cut off: it announces {length:.2f} s and ends after {float(end):.2f} s; "
                                  + AGAIN)
    if shown == 0:
        raise TooFewFrames(f"{path} holds a video stream of 0 frames; expected at least one")
    return shown


def clip_info(path: str | os.PathLike) -> ClipInfo:
    """Length, size and speed of a video; only its first frame is decoded. Errors as in `count_frames`."""
    frames = count_frames(path)
    _, height, width, _ = decode_frames(path, [0]).shape
    container, stream = open_video(path)
    with container:
        fps = float(stream.average_rate) if stream.average_rate else float("nan")
    return ClipInfo(frames, height, width, fps)


def to_pixels(frame, converter) -> np.ndarray:
    """One decoded frame as RGB uint8 `(h, w, 3)`, turned upright as its rotation mark asks."""
    pixels = converter.reformat(frame, format="rgb24").to_ndarray()
    quarters = round(frame.rotation / 90)  # degrees counter-clockwise, written by phones that were held upright
    return np.ascontiguousarray(np.rot90(pixels, quarters))


def decode_frames(path: str | os.PathLike, indices: Sequence[int],
                  keep: Callable[[Tensor], Tensor] = lambda frame: frame) -> Tensor:
    """The frames at `indices` in the order given, RGB uint8 `(t, h, w, c)`; repeats are allowed.

    Indices count the frames in the order in which they are shown, from 0. Frames before the last wanted one are
    decoded (later frames are built from them), but only wanted ones are converted to RGB and kept, after the function
    `keep`, `(h, w, c)` -> `(h', w', c)`, has scaled or cut them. Pixels are taken as square, and a variable frame rate
    is ignored.

    Raises ValueError for no or negative indices, and a ClipError: ClipNotFound, UnreadableClip, NoVideoStream,
    DamagedClip (also when a frame *before* a wanted one is corrupt), TooFewFrames, FrameTooLarge, TooSlow.
    """
    indices = [int(index) for index in indices]
    if not indices or min(indices) < 0:
        raise ValueError(f"indices are {indices}; expected at least one, all counted from 0")
    av = import_av()
    start, wanted, last = time.process_time(), set(indices), max(indices)
    kept, sizes, shown = {}, set(), 0
    converter = av.video.reformatter.VideoReformatter()  # one for all frames: setting it up is slow
    container, stream = open_video(path)
    with container:
        try:
            for frame in container.decode(stream):
                check_time(path, start)
                check_size(path, frame.height, frame.width)
                if frame.is_corrupt:
                    raise DamagedClip(f"{path} is damaged: frame {shown} is corrupt; {AGAIN}")
                if shown in wanted:
                    picture = torch.from_numpy(to_pixels(frame, converter))  # (h, w, c)
                    sizes.add(tuple(picture.shape))
                    if len(sizes) > 1:
                        raise DamagedClip(f"{path} changes its frame size on the way, {sorted(sizes)}; expected one")
                    kept[shown] = keep(picture)
                    if kept[shown].numel() * len(indices) > MAX_BYTES:
                        raise FrameTooLarge(f"{path}: {len(indices)} frames of {frame.width}x{frame.height} pixels are "
                                            f"more than {MAX_BYTES} bytes. {SMALLER}")
                shown += 1
                if shown > last:
                    break
        except MemoryError as error:
            raise FrameTooLarge(f"{path} does not fit into the memory, at frame {shown}. {SMALLER}") from error
        except av.FFmpegError as error:
            size = stream.codec_context.height * stream.codec_context.width  # the decoder forgets what it has refused
            if size == 0 or size > MAX_PIXELS:
                raise FrameTooLarge(f"{path}: frame {shown} has more than {MAX_PIXELS} pixels. {SMALLER}") from error
            raise DamagedClip(f"{path} is damaged: decoding stopped after {shown} frames ({error.strerror}); "
                              + AGAIN) from error
    if shown <= last:
        raise TooFewFrames(f"{path} holds {shown} frames; index {last} was asked for, the last one is {shown - 1}")
    return torch.stack([kept[index] for index in indices])
