"""Real video as a model wants it: choose frames, decode them, cut a square, normalise.

    clip = read_clip("bunny.mp4", frames=8, size=224)     # (c, t, h, w) float
    logits = model(clip.unsqueeze(0))                     # (b, c, t, h, w) -> (b, classes)

Each step is a function of its own; `decoding.py` has the one that knows files.
"""

import os
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from videoformer_edu.data.arguments import check_count
from videoformer_edu.data.decoding import ClipError, TooFewFrames, clip_info, count_frames, decode_frames

__all__ = ["MEAN", "STD", "ClipError", "clip_info", "count_frames", "decode_frames", "read_clip", "read_frames"]
__all__ += ["resize_crop", "sample_indices", "to_model_input"]

# Of the Kinetics models of the TimeSformer code, per RGB channel.
MEAN = (0.45, 0.45, 0.45)
STD = (0.225, 0.225, 0.225)


def sample_indices(
    total: int, frames: int, *, sampling: str = "uniform", generator: torch.Generator | None = None
) -> list[int]:
    """Choose `frames` of `total` frames, one from each of `frames` equal segments of the clip, in order.

    "uniform" takes the middle of each segment: for evaluation, always the same. "segments" takes a random frame of
    each (temporal segment networks, Wang et al. 2016): for training, drawn with `generator`.
    Raises TooFewFrames when the clip is shorter than `frames`, ValueError for other bad arguments.
    """
    check_count("total", total, least=0)
    check_count("frames", frames)
    if sampling not in ("uniform", "segments"):
        raise ValueError(f'sampling is {sampling!r}; expected "uniform" or "segments"')
    if sampling == "segments" and generator is None:
        raise ValueError('sampling="segments" is random; give a generator, e.g. torch.Generator().manual_seed(0)')
    if total < frames:
        raise TooFewFrames(f"the clip has {total} frames and {frames} were asked for; ask for {total} or fewer")
    if sampling == "uniform":
        return [(2 * i + 1) * total // (2 * frames) for i in range(frames)]
    # Segment i holds the whole numbers from floor(i total / frames) up to the next segment's first.
    starts = [i * total // frames for i in range(frames + 1)]
    within = torch.rand(frames, generator=generator, dtype=torch.float64).tolist()
    return [a + int(u * (b - a)) for a, b, u in zip(starts, starts[1:], within, strict=False)]


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


def to_model_input(clip: Tensor, mean: Sequence[float] = MEAN, std: Sequence[float] = STD) -> Tensor:
    """Raw clip to what a model takes: uint8 `(t, h, w, c)` -> float `(c, t, h, w)`, `(x / 255 - mean) / std`."""
    if clip.ndim != 4 or clip.dtype != torch.uint8:
        raise ValueError(f"clip is {clip.dtype} {tuple(clip.shape)}; expected uint8 (t, h, w, c)")
    if not len(mean) == len(std) == clip.shape[-1]:
        raise ValueError(
            f"mean has {len(mean)} and std {len(std)} numbers; expected one per channel, {clip.shape[-1]}"
        )
    values = clip.permute(3, 0, 1, 2).contiguous().float()  # (c, t, h, w)
    mean, std = (torch.tensor(numbers).view(-1, 1, 1, 1) for numbers in (mean, std))
    return values.div_(255).sub_(mean).div_(std)


def read_frames(
    path: str | os.PathLike,
    *,
    frames: int = 8,
    size: int | None = None,
    sampling: str = "uniform",
    generator: torch.Generator | None = None,
) -> Tensor:
    """A raw clip to look at: RGB uint8 `(t, h, w, c)`; whole frames for `size=None`, else a square of `size`.

    Raises a ClipError for a bad file (see `decoding.py`), TooFewFrames for one with fewer than `frames` frames,
    ValueError for bad arguments.
    """
    check_count("frames", frames)
    if size is not None:
        check_count("size", size)
    total = count_frames(path)
    try:
        indices = sample_indices(total, frames, sampling=sampling, generator=generator)
    except TooFewFrames as error:
        raise TooFewFrames(f"{path}: {error}") from None
    clip = decode_frames(path, indices)
    return clip if size is None else resize_crop(clip, size)


def read_clip(
    path: str | os.PathLike,
    *,
    frames: int = 8,
    size: int = 224,
    sampling: str = "uniform",
    generator: torch.Generator | None = None,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
) -> Tensor:
    """A video file as the input of a model: float `(c, t, h, w)`, `t = frames`, `h = w = size`, normalised.

    Frames are chosen over the whole clip (`sample_indices`), cut to the middle square and scaled (`resize_crop`),
    then normalised (`to_model_input`). Errors as in `read_frames`.
    """
    clip = read_frames(path, frames=frames, size=size, sampling=sampling, generator=generator)
    return to_model_input(clip, mean, std)
