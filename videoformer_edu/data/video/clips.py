"""Real video as a model wants it: choose frames, decode them, cut a square, normalise.

    pixels = builder("timesformer_base").pixels           # what the model expects: mean and std
    clip = read_clip("bunny.mp4", frames=8, size=224, pixels=pixels)    # (c, t, h, w) float
    logits = model(clip.unsqueeze(0))                                   # (b, c, t, h, w) -> (b, classes)

Each step is a function of its own; `decoding.py` has the one that knows files.
"""

import os

import torch
import torch.nn.functional as F
from torch import Tensor

from videoformer_edu.data.arguments import check_count
from videoformer_edu.data.pixels import Pixels, normalise
from videoformer_edu.data.video.decoding import ClipError, TooFewFrames, clip_info, count_frames, decode_frames

__all__ = ["ClipError", "clip_info", "count_frames", "decode_frames", "read_clip", "read_frames"]
__all__ += ["resize_crop", "sample_indices", "to_model_input"]

def sample_indices(
    total: int,
    frames: int,
    *,
    sampling: str = "uniform",
    stride: int = 1,
    generator: torch.Generator | None = None,
) -> list[int]:
    """Choose `frames` of `total` frames, in order: over the whole clip, or in a dense window of it.

    Over the whole clip, one frame from each of `frames` equal segments: "uniform" takes the middle of each, always
    the same, for evaluation; "segments" a random one, for training (temporal segment networks, Wang et al. 2016).
    In a window, every `stride`-th frame: "central" is the window in the middle; "dense" begins anywhere, at random
    (I3D, SlowFast: Carreira & Zisserman 2017, Feichtenhofer et al. 2019). The random ones need a `generator`.
    Raises TooFewFrames when the clip is shorter than `frames`, or than the window, ValueError for bad arguments.
    """
    check_count("total", total, least=0)
    check_count("frames", frames)
    check_count("stride", stride)
    if sampling not in ("uniform", "segments", "central", "dense"):
        raise ValueError(f'sampling is {sampling!r}; expected "uniform", "segments", "central" or "dense"')
    if sampling in ("uniform", "segments") and stride != 1:
        raise ValueError(f'stride is {stride}; it belongs to "central" and "dense", and sampling is {sampling!r}')
    if sampling in ("segments", "dense") and generator is None:
        raise ValueError(f'sampling="{sampling}" is random; give a generator, e.g. torch.Generator().manual_seed(0)')
    if total < frames:
        raise TooFewFrames(f"the clip has {total} frames and {frames} were asked for; ask for {total} or fewer")
    if sampling == "uniform":
        return [(2 * i + 1) * total // (2 * frames) for i in range(frames)]
    if sampling == "segments":
        # Segment i holds the whole numbers from floor(i total / frames) up to the next segment's first.
        starts = [i * total // frames for i in range(frames + 1)]
        within = torch.rand(frames, generator=generator, dtype=torch.float64).tolist()
        return [a + int(u * (b - a)) for a, b, u in zip(starts, starts[1:], within, strict=False)]
    room = window_room(total, frames, stride)
    start = room // 2 if sampling == "central" else int(torch.randint(room + 1, (), generator=generator))
    return list(range(start, start + frames * stride, stride))


def window_room(total: int, frames: int, stride: int) -> int:
    """The last frame at which a window of `frames` frames, `stride` apart, can begin. Raises TooFewFrames."""
    span = (frames - 1) * stride + 1
    if total < span:
        raise TooFewFrames(f"the clip has {total} frames, and {frames} of them {stride} apart span {span}; "
                           f"ask for fewer frames or a smaller stride")
    return total - span


def resize_crop(clip: Tensor, size: int) -> Tensor:
    """Cut the largest square from the middle and scale it: uint8 `(t, h, w, c)` -> `(t, size, size, c)`.

    Bilinear, smoothed when it shrinks. Any input size works, a single pixel too: small pictures become blurred.
    """
    check_count("size", size)
    if clip.ndim != 4 or clip.dtype != torch.uint8 or 0 in clip.shape:
        raise ValueError(f"clip is {clip.dtype} {tuple(clip.shape)}; expected non-empty uint8 (t, h, w, c)")
    _, height, width, _ = clip.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = clip[:, top : top + side, left : left + side].permute(0, 3, 1, 2)  # (t, c, side, side)
    # On bytes as they lie: ten times faster than through floats, and at most one grey level away.
    scaled = F.interpolate(square, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
    return scaled.permute(0, 2, 3, 1).contiguous()


def to_model_input(clip: Tensor, pixels: Pixels) -> Tensor:
    """Raw clip to what a model takes: uint8 `(t, h, w, c)` -> float `(c, t, h, w)`, `(x / 255 - mean) / std`."""
    if clip.ndim != 4 or clip.dtype != torch.uint8:
        raise ValueError(f"clip is {clip.dtype} {tuple(clip.shape)}; expected uint8 (t, h, w, c)")
    return normalise(clip.permute(3, 0, 1, 2).contiguous(), pixels)


def read_frames(
    path: str | os.PathLike,
    *,
    frames: int = 8,
    size: int | None = None,
    sampling: str = "uniform",
    stride: int = 1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """A raw clip to look at: RGB uint8 `(t, h, w, c)`; whole frames for `size=None`, else a square of `size`.

    Raises a ClipError for a bad file (see `decoding.py`), TooFewFrames for one that is too short,
    ValueError for bad arguments.
    """
    check_count("frames", frames)
    if size is not None:
        check_count("size", size)
    total = count_frames(path)
    try:
        indices = sample_indices(total, frames, sampling=sampling, stride=stride, generator=generator)
    except TooFewFrames as error:
        raise TooFewFrames(f"{path}: {error}") from None
    if size is None:
        return decode_frames(path, indices)
    return decode_frames(path, indices, keep=lambda frame: resize_crop(frame[None], size)[0])


def read_clip(
    path: str | os.PathLike,
    *,
    pixels: Pixels,
    frames: int = 8,
    size: int = 224,
    sampling: str = "uniform",
    stride: int = 1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """A video file as the input of a model: float `(c, t, h, w)`, `t = frames`, `h = w = size`, normalised.

    Frames are chosen by `sample_indices`, cut to the middle square and scaled (`resize_crop`), then normalised with the
    pixels that the model expects (`to_model_input`). Errors as in `read_frames`.
    """
    clip = read_frames(path, frames=frames, size=size, sampling=sampling, stride=stride, generator=generator)
    return to_model_input(clip, pixels)
