"""The scale of pixel values: bytes 0 ... 255, unit range 0 ... 1, and the normalised floats that models take."""

from typing import NamedTuple

import torch
from torch import Tensor

from videoformer_edu.data.arguments import check_clips


class Pixels(NamedTuple):
    """How the pixels of a model are normalised, `normalise(clips, pixels)`: one number per channel, for 0 ... 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


MOTION_PIXELS = Pixels((0.35,) * 3, (0.25,) * 3)  # of the generated clips, `data.motion`


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


def normalise(clips: Tensor, pixels: Pixels) -> Tensor:
    """`(x - mean) / std` of pixels x in 0 ... 1, given so or as uint8: float of the same shape.

    One mean and one std for each channel of `(b, c, t, h, w)` or `(c, t, h, w)`. If they are the same for all channels,
    any shape will do, also pictures `(b, c, h, w)`.
    Raises as `unit_range` does, and ValueError for another layout or number of channels.
    """
    values = unit_range(clips)
    values = values if values is not clips else clips.clone()
    mean, std = pixels
    if len(set(mean)) == len(set(std)) == 1:
        return values.sub_(mean[0]).div_(std[0])
    check_clips(clips)
    if not len(mean) == len(std) == clips.shape[-4]:
        raise ValueError(f"mean has {len(mean)} and std {len(std)} numbers; expected one for each of the "
                         f"{clips.shape[-4]} channels")
    mean, std = (values.new_tensor(numbers).view(-1, 1, 1, 1) for numbers in pixels)  # (c, 1, 1, 1)
    return values.sub_(mean).div_(std)
