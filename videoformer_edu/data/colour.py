"""Colour jitter: brightness, contrast, saturation and hue of a clip, changed once and alike in all its frames.

torchvision has the same functions, and the tests compare with them. But it takes one factor for all that it is
given, and here each clip of a batch has its own: hence these few lines, and no dependency.
"""

import math

import torch
from torch import Tensor

from videoformer_edu.data.arguments import check_clips, check_generator
from videoformer_edu.data.pixels import unit_range

__all__ = ["adjust_brightness", "adjust_contrast", "adjust_hue", "adjust_saturation", "colour_jitter"]

STRENGTHS = {"brightness": math.inf, "contrast": math.inf, "saturation": math.inf, "hue": 0.5}  # the largest allowed


def colour_jitter(
    clips: Tensor,
    *,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
    hue: float = 0.0,
    generator: torch.Generator,
) -> Tensor:
    """Change the colours of each clip by factors of its own: float in 0 ... 1, `(b, c, t, h, w)` or `(c, t, h, w)`.

    Brightness, contrast and saturation get a factor uniform in [1 - strength, 1 + strength], never below 0, and the
    hue is turned by a share of the circle uniform in [-hue, hue]; always in this order. Strength 0 leaves a property
    alone. Raises TypeError for bytes, ValueError for floats outside 0 ... 1, another layout, a strength below 0, a hue
    above 0.5, saturation or hue of grey clips, or no generator on the CPU.
    """
    strengths = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}
    check_clips(clips)
    check_generator(generator)
    check_strengths(**strengths)
    if not clips.is_floating_point():
        raise TypeError(f"clips are {clips.dtype}; expected float in 0 ... 1: unit_range(clips) makes them so")
    unit_range(clips)
    if (saturation or hue) and clips.shape[-4] != 3:
        raise ValueError(f"clips are {tuple(clips.shape)}; saturation and hue belong to RGB, so c must be 3")
    for name, strength in strengths.items():
        if strength:
            middle = 0 if name == "hue" else 1
            low, high = max(middle - strength, middle - 1), middle + strength
            draw = torch.rand(clips.shape[:-4], generator=generator)  # (b,), or () for one clip
            clips = ADJUST[name](clips, low + (high - low) * draw)
    return clips


def check_strengths(**strengths: float) -> None:
    """Raise ValueError unless each strength is at least 0, and at most what STRENGTHS says."""
    for name, strength in strengths.items():
        if not 0 <= strength <= STRENGTHS[name]:
            raise ValueError(f"{name} is {strength!r}; expected a strength of at least 0, at most {STRENGTHS[name]}")


# One factor for each clip `(b,)`, or one for all. These do not check; colour_jitter has.


def adjust_brightness(clips: Tensor, factor: float | Tensor) -> Tensor:
    """Towards black (0), the same (1), brighter (above)."""
    return (clips * _spread(factor, clips)).clamp_(0, 1)


def adjust_contrast(clips: Tensor, factor: float | Tensor) -> Tensor:
    """Towards the mean grey of the whole clip (0), the same (1), away from it (above)."""
    mean = _grey(clips).mean(dim=(-3, -2, -1), keepdim=True)
    return mean.lerp(clips, _spread(factor, clips)).clamp_(0, 1)


def adjust_saturation(clips: Tensor, factor: float | Tensor) -> Tensor:
    """Towards grey (0), the same (1), away from it (above)."""
    return _grey(clips).lerp(clips, _spread(factor, clips)).clamp_(0, 1)


def adjust_hue(clips: Tensor, share: float | Tensor) -> Tensor:
    """Turn the hue by a share of the colour circle: 1/3 makes red green, and green blue."""
    red, green, blue = clips.unbind(-4)  # (..., t, h, w)
    value, low = clips.amax(dim=-4), clips.amin(dim=-4)
    chroma = value - low
    safe = chroma.masked_fill(chroma == 0, 1)  # grey has no hue: any will do
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )  # sixths of the circle: red at 0, green at 2, blue at 4
    hue += 6 * _spread(share, clips).squeeze(-4)

    def channel(centre: int) -> Tensor:
        away = (hue + centre).remainder(6)
        return value - chroma * torch.minimum(away, 4 - away).clamp_(0, 1)

    return torch.stack([channel(5), channel(3), channel(1)], dim=-4)


ADJUST = {"brightness": adjust_brightness, "contrast": adjust_contrast, "saturation": adjust_saturation,
          "hue": adjust_hue}


def _grey(clips: Tensor) -> Tensor:
    """Luma of RGB (ITU-R BT.601), `(..., 1, t, h, w)`; a grey clip is its own."""
    if clips.shape[-4] == 1:
        return clips
    red, green, blue = clips.split(1, dim=-4)
    return (0.2989 * red).add_(green, alpha=0.587).add_(blue, alpha=0.114)


def _spread(factor: float | Tensor, clips: Tensor) -> Tensor:
    """`()` or `(b,)` to the type and device of the clips, and to a shape that spreads over c, t, h and w."""
    factor = torch.as_tensor(factor).to(clips)
    return factor.reshape(*factor.shape, 1, 1, 1, 1)
