"""The scale of pixel values: bytes 0 ... 255, unit range 0 ... 1, and the normalised floats that models take."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from videoformer_edu.data.arguments import check_clips


class Pixels(NamedTuple):
    """How the pixels of a model are normalised: `normalise(clips, *pixels)`; one number per channel, for 0 ... 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def unit_range(clips: Tensor) -> Tensor:
    """uint8 -> float32 in 0 ... 1; floats must already be there and come back as they are. Any shape.

    Raises TypeError for other types, ValueError for floats outside 0 ... 1 (1 % beyond is left to rounding).
    """
    if clips.dtype == torch.uint8:
        return clips.float().div_(255)
    if not clips.is_floating_point():
        raise TypeError(f"clips are {clips.dtype}; expected uint8 in 0 ... 255 or float in 0 ... 1")
    low, high = (value.item() for value in clips.aminmax())
    if not (low >= -0.01 and high <= 1.01):
        hint = "divide them by 255" if 0 <= low and 1.01 < high <= 255 else "normalise comes last, and once"
        raise ValueError(f"clips go from {low:.3g} to {high:.3g}; expected float in 0 ... 1, or uint8: {hint}")
    return clips


def normalise(clips: Tensor, mean: float | Sequence[float], std: float | Sequence[float]) -> Tensor:
    """`(x - mean) / std` of pixels x in 0 ... 1, given so or as uint8: float of the same shape.

    A single number serves all channels and any shape; a sequence has one for each channel of `(b, c, t, h, w)` or
    `(c, t, h, w)`. Raises as `unit_range` does, and ValueError for another layout or number of channels.
    """
    values = unit_range(clips)
    values = values if values is not clips else clips.clone()
    if isinstance(mean, Sequence) or isinstance(std, Sequence):
        check_clips(clips)
        channels = clips.shape[-4]
        mean, std = (list(n) if isinstance(n, Sequence) else [n] * channels for n in (mean, std))
        if not len(mean) == len(std) == channels:
            raise ValueError(f"mean has {len(mean)} and std {len(std)} numbers; expected one per channel, {channels}")
        mean, std = (values.new_tensor(numbers).view(-1, 1, 1, 1) for numbers in (mean, std))
    return values.sub_(mean).div_(std)
