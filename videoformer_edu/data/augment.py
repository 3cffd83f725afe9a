"""Augmentation of clips: one random draw for each clip, the same for all its frames.

    augment = Augment(size=224, area=(0.3, 1.0), flip=0.5, mirrored="unchanged", brightness=0.4, erase=0.25)
    clips, labels = augment(clips, labels, generator)    # uint8 or float (b, c, t, h, w) -> float in 0 ... 1

A transform that changes from frame to frame would invent motion and flicker. What is drawn comes from a generator on
the CPU and is applied where the clips lie, so that a run on a GPU sees the same crops and flips. Normalising comes
afterwards, and mixing clips with each other (`mixing.py`) last of all.

Why our own: torchvision takes one factor for all that it is given, not one for each clip. kornia (0.9.0) draws from
the global random state, knows no labels, takes contrast about the mean of each frame, and picks pixels when it shrinks.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from videoformer_edu.data.arguments import check_clips, check_count, check_generator, check_labels, check_range
from videoformer_edu.data.mirroring import Mirrored, check_mirrored
from videoformer_edu.data.pixels import unit_range
from videoformer_edu.data.views import resize


@dataclass(frozen=True)
class Augment:
    """A recipe: what happens to a batch of training clips, in this order; by default nothing.

    area, aspect: a random resized crop, with this share of the frame and this aspect ratio; None for the whole frame.
    size: what the crop is scaled to, a number or (height, width); None for the size of the clips.
    flip: probability of a horizontal flip. It needs `mirrored`, see `horizontal_flip`.
    brightness, contrast, saturation, hue: strengths of the colour jitter.
    erase: probability of erasing a tube.

    Bad values raise ValueError at once.
    """

    area: tuple[float, float] | None = None
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    size: int | tuple[int, int] | None = None
    flip: float = 0.0
    mirrored: Mirrored | None = None
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    erase: float = 0.0

    def __post_init__(self):
        if self.area is not None:
            check_range("area", self.area, most=1)
        elif self.size is not None:
            raise ValueError(f"size is {self.size} and area is missing; size is what a random crop is scaled to: say "
                             f"how large the crop is, for example area=(0.08, 1.0)")
        for side in self.size if isinstance(self.size, tuple) else (self.size,):
            if side is not None:
                check_count("size", side)
        check_range("aspect", self.aspect)
        for name, most in (("flip", 1), ("erase", 1), ("hue", 0.5), *((name, math.inf) for name in ADJUST)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected a number from 0 to {most}")
        if self.mirrored is not None:
            check_mirrored(self.mirrored)
        elif self.flip:
            raise ValueError(f"flip is {self.flip} and mirrored is missing: which label has a mirrored clip? "
                             f"mirroring.mirrored_directions and mirrored_names tell; where no label knows left from "
                             f'right, say mirrored="unchanged"')

    def __call__(self, clips: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Clips `(b, c, t, h, w)`, uint8 or float in 0 ... 1, and labels `(b,)` -> floats, and labels of what is seen.

        Raises ValueError or TypeError for another layout, type or range, or a generator that is not on the CPU."""
        check_clips(clips, batched=True)
        check_labels(labels, len(clips))
        check_generator(generator)
        clips = unit_range(clips)
        if self.area is not None:
            size = clips.shape[-2:] if self.size is None else self.size
            clips = random_resized_crop(clips, size, area=self.area, aspect=self.aspect, generator=generator)
        if self.flip:
            clips, labels = horizontal_flip(clips, labels, mirrored=self.mirrored, p=self.flip, generator=generator)
        strengths = {name: getattr(self, name) for name in ADJUST}
        if any(strengths.values()):
            clips = colour_jitter(clips, **strengths, generator=generator)
        if self.erase:
            clips = erase_tubes(clips, p=self.erase, generator=generator)
        return clips, labels


def draw(clips: Tensor, generator: torch.Generator) -> Tensor:
    """One number for each of the clips `(b, c, t, h, w)`, uniform in [0, 1), where they lie: `(b, 1, 1, 1, 1)`."""
    check_clips(clips, batched=True)
    check_generator(generator)
    return torch.rand(len(clips), 1, 1, 1, 1, generator=generator).to(clips.device)


# ------------------------------------------------------------------------------------------------ boxes and crops


class Boxes(NamedTuple):
    """A rectangle of whole pixels for each clip, each `(b,)`: its upper left corner, row and column, and its sides."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor

    def inside(self, clips: Tensor) -> Tensor:
        """True for the pixels of `clips (b, c, t, h, w)` that lie in the box of their clip: `(b, 1, 1, h, w)`."""
        top, left, tall, wide = (numbers.to(clips.device)[:, None] for numbers in self)
        rows, columns = (torch.arange(size, device=clips.device) for size in clips.shape[-2:])
        rows = (rows >= top) & (rows < top + tall)  # (b, h)
        columns = (columns >= left) & (columns < left + wide)  # (b, w)
        return rows[:, None, None, :, None] & columns[:, None, None, None, :]


def random_boxes(clips: Tensor, area: tuple[float, float], aspect: tuple[float, float],
                 generator: torch.Generator) -> Boxes:
    """Boxes at a uniform place, of uniform `area` (share of the frame) and log-uniform `aspect` (width / height).

    The Inception crop (Szegedy et al. 2015): of ten attempts the first that lies in the frame counts; if none does,
    the largest box in the middle whose aspect ratio is allowed. So very large areas are drawn less often.
    """
    check_clips(clips, batched=True)
    check_generator(generator)
    batch, *_, height, width = clips.shape
    area_draw, aspect_draw, down, right = torch.rand(4, batch, 10, generator=generator, dtype=torch.float64)
    pixels = (area[0] + (area[1] - area[0]) * area_draw) * height * width
    low, high = map(math.log, aspect)
    ratio = (low + (high - low) * aspect_draw).exp()
    tall = (pixels / ratio).sqrt().round().clamp(min=1).long()  # (b, attempts)
    wide = (pixels * ratio).sqrt().round().clamp(min=1).long()
    fits = (tall <= height) & (wide <= width)

    first = fits.long().argmax(dim=1, keepdim=True)  # 0 where none fits
    tall, wide, down, right = (numbers.gather(1, first).squeeze(1) for numbers in (tall, wide, down, right))
    best = min(max(width / height, aspect[0]), aspect[1])
    some = fits.any(dim=1)
    tall = torch.where(some, tall, max(1, min(height, round(width / best))))
    wide = torch.where(some, wide, max(1, min(width, round(height * best))))
    top = torch.where(some, down * (height - tall + 1), (height - tall) // 2).long()
    left = torch.where(some, right * (width - wide + 1), (width - wide) // 2).long()
    return Boxes(top, left, tall, wide)


def random_resized_crop(clips: Tensor, size: int | tuple[int, int], *, area: tuple[float, float] = (0.08, 1.0),
                        aspect: tuple[float, float] = (3 / 4, 4 / 3), generator: torch.Generator) -> Tensor:
    """Cut one random box of each clip `(b, c, t, h, w)`, the same in all its frames, and scale it to `size`."""
    sides = (size, size) if isinstance(size, int) else size
    boxes = random_boxes(clips, area, aspect, generator)
    corners = zip(clips, *(numbers.tolist() for numbers in boxes), strict=True)
    return torch.stack([resize(clip[..., y : y + h, x : x + w], sides) for clip, y, x, h, w in corners])


def erase_tubes(clips: Tensor, *, p: float = 0.25, area: tuple[float, float] = (0.02, 1 / 3),
                aspect: tuple[float, float] = (0.3, 10 / 3), generator: torch.Generator) -> Tensor:
    """Random erasing (Zhong et al. 2020), as a tube: the same box in all frames gets the clip's mean colour.

    float `(b, c, t, h, w)`, each clip with probability `p`.
    """
    chosen = draw(clips, generator) < p
    tube = chosen & random_boxes(clips, area, aspect, generator).inside(clips)  # (b, 1, 1, h, w)
    return torch.where(tube, clips.mean(dim=(2, 3, 4), keepdim=True), clips)


# -------------------------------------------------------------------------------------------------------- the mirror
# Where a label knows left from right, a flipped clip with its old label is a wrong example. So nothing flips before it
# is told what becomes of the labels; `mirroring.py` finds it out.


def horizontal_flip(clips: Tensor, labels: Tensor, *, mirrored: Mirrored, p: float = 0.5,
                    generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirror each clip `(b, c, t, h, w)` with probability `p`, and give it the label `(b,)` of what is now seen.

    `mirrored[label]` is the label of the mirrored clip; "unchanged" says that no label knows left from right.
    Raises ValueError for a map that does not lead back to where it came from, or labels outside it.
    """
    flipped = draw(clips, generator) < p
    check_labels(labels, len(clips))
    check_mirrored(mirrored)
    clips = torch.where(flipped, clips.flip(-1), clips)
    if mirrored == "unchanged":
        return clips, labels
    if labels.min() < 0 or labels.max() >= len(mirrored):
        raise ValueError(f"labels go from {labels.min()} to {labels.max()}; mirrored has {len(mirrored)} classes")
    return clips, torch.where(flipped.flatten().to(labels.device), labels.new_tensor(mirrored)[labels.long()], labels)


# ------------------------------------------------------------------------------------------------------------ colour
# One factor for each clip, `(b, 1, 1, 1, 1)`, or one number for all: 1 changes nothing (of the hue, 0).


def adjust_brightness(clips: Tensor, factor: float | Tensor) -> Tensor:
    return (clips * factor).clamp_(0, 1)  # towards black, or brighter


def adjust_contrast(clips: Tensor, factor: float | Tensor) -> Tensor:
    mean = grey(clips).mean(dim=(1, 2, 3, 4), keepdim=True)  # of the clip: that of each frame would flicker
    return mean.lerp(clips, factor).clamp_(0, 1)


def adjust_saturation(clips: Tensor, factor: float | Tensor) -> Tensor:
    return grey(clips).lerp(clips, factor).clamp_(0, 1)


def adjust_hue(clips: Tensor, share: float | Tensor) -> Tensor:
    """Turn the hue by a share of the colour circle: 1/3 makes red green, and green blue."""
    red, green, blue = clips.split(1, dim=1)  # (b, 1, t, h, w)
    value, low = clips.amax(dim=1, keepdim=True), clips.amin(dim=1, keepdim=True)
    chroma = value - low
    safe = chroma.masked_fill(chroma == 0, 1)  # grey has no hue: any will do
    # In sixths of the circle: red at 0, green at 2, blue at 4.
    hue = torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe)
    hue = torch.where(value == red, (green - blue) / safe, hue) + 6 * share
    away = torch.cat([(hue + centre).remainder(6) for centre in (5, 3, 1)], dim=1)  # (b, 3, t, h, w)
    return value - chroma * torch.minimum(away, 4 - away).clamp_(0, 1)


def grey(clips: Tensor) -> Tensor:
    """Luma of RGB (ITU-R BT.601), `(b, 1, t, h, w)`; a grey clip is its own."""
    if clips.shape[1] == 1:
        return clips
    red, green, blue = clips.split(1, dim=1)
    return 0.2989 * red + 0.587 * green + 0.114 * blue


ADJUST = dict(brightness=adjust_brightness, contrast=adjust_contrast, saturation=adjust_saturation, hue=adjust_hue)


def colour_jitter(clips: Tensor, *, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0,
                  hue: float = 0.0, generator: torch.Generator) -> Tensor:
    """Change the colours of each clip `(b, c, t, h, w)`, uint8 or float in 0 ... 1, by factors of its own; -> float.

    Brightness, contrast and saturation get a factor uniform in [1 - strength, 1 + strength], never below 0, and the
    hue is turned by a share of the circle uniform in [-hue, hue]; always in this order. Strength 0 leaves a property
    alone. Raises ValueError for floats outside 0 ... 1, or saturation and hue of grey clips.
    """
    check_clips(clips, batched=True)
    clips = unit_range(clips)
    if (saturation or hue) and clips.shape[1] != 3:
        raise ValueError(f"clips are {tuple(clips.shape)}; saturation and hue belong to RGB, so c must be 3")
    for (name, adjust), strength in zip(ADJUST.items(), (brightness, contrast, saturation, hue), strict=True):
        if strength:
            middle = 0 if name == "hue" else 1
            low, high = max(middle - strength, middle - 1), middle + strength
            clips = adjust(clips, (low + (high - low) * draw(clips, generator)).to(clips.dtype))
    return clips
