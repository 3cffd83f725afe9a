"""Clip-consistent augmentation: one random draw for each clip, the same for all its frames.

    augment = Augment(size=224, area=(0.3, 1.0), flip=0.5, mirrored="unchanged", brightness=0.4, erase=0.25)
    clips, labels = augment(clips, labels, generator)    # uint8 or float (b, c, t, h, w) -> float in 0 ... 1
    clips = normalise(clips, MEAN, STD)

A transform that changes from frame to frame would invent motion and flicker. Clips are `(b, c, t, h, w)`, in most
functions also one clip `(c, t, h, w)`. What is drawn comes from a generator on the CPU and is then applied where the
clips lie, so that a run on a GPU sees the same crops and flips as one on the CPU.

This is the front door; the rooms are `crops`, `mirroring`, `colour`, `pixels` and `mixing` beside it.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from videoformer_edu.data.arguments import check_clips, check_generator, check_labels, check_probability
from videoformer_edu.data.boxes import check_range, random_boxes
from videoformer_edu.data.colour import STRENGTHS, check_strengths, colour_jitter
from videoformer_edu.data.crops import centre_crop, random_resized_crop, resize, temporal_subsample, two_sides, views
from videoformer_edu.data.mirroring import (
    Mirrored,
    check_mirrored,
    horizontal_flip,
    mirrored_directions,
    mirrored_names,
)
from videoformer_edu.data.mixing import cutmix, mix, mixup
from videoformer_edu.data.pixels import normalise, unit_range

__all__ = ["Augment", "centre_crop", "colour_jitter", "cutmix", "erase_tubes", "horizontal_flip", "mirrored_directions"]
__all__ += ["mirrored_names", "mix", "mixup", "normalise", "random_resized_crop", "resize", "temporal_subsample"]
__all__ += ["unit_range", "views"]


def erase_tubes(
    clips: Tensor,
    *,
    p: float = 0.25,
    area: tuple[float, float] = (0.02, 1 / 3),
    aspect: tuple[float, float] = (0.3, 10 / 3),
    length: tuple[float, float] = (1.0, 1.0),
    generator: torch.Generator,
) -> Tensor:
    """Random erasing (Zhong et al. 2020), as a tube: the same box in all frames gets the clip's mean colour.

    Each clip with probability `p`; the box has a share of the frame between the two of `area`, and an aspect ratio
    between the two of `aspect`. With `length` below 1 the tube lasts only that share of the frames, from a random one.
    uint8 or float in any range. Raises ValueError for bad ranges, layout, `p` or generator.
    """
    check_clips(clips)
    check_generator(generator)
    check_probability("p", p)
    check_range("area", area, most=1)
    check_range("aspect", aspect)
    check_range("length", length, most=1)
    if clips.ndim == 4:
        return erase_tubes(clips[None], p=p, area=area, aspect=aspect, length=length, generator=generator)[0]
    batch, _, total, height, width = clips.shape
    chosen, share, late = torch.rand(3, batch, generator=generator, dtype=torch.float64)
    boxes = random_boxes(batch, height, width, area=area, aspect=aspect, generator=generator)
    lasting = ((length[0] + (length[1] - length[0]) * share) * total).round().clamp(min=1)
    start = (late * (total - lasting + 1)).floor()
    frame = torch.arange(total)
    frames = (frame >= start[:, None]) & (frame < (start + lasting)[:, None]) & (chosen < p)[:, None]  # (b, t)
    inside = boxes.inside(height, width, clips.device)  # (b, h, w)
    tube = frames.to(clips.device)[:, None, :, None, None] & inside[:, None, None]  # (b, 1, t, h, w)
    mean = clips.mean(dim=(2, 3, 4), keepdim=True, dtype=torch.float32)  # (b, c, 1, 1, 1)
    mean = mean.round() if clips.dtype == torch.uint8 else mean
    return torch.where(tube, mean.to(clips.dtype), clips)


@dataclass(frozen=True)
class Augment:
    """An augmentation recipe: what happens to a batch of training clips, in this order; by default nothing.

    area, aspect: a random resized crop, with this share of the frame and this aspect ratio; None for the whole frame.
    size: what the crop is scaled to, a number or (height, width); None for the size of the clips.
    flip: probability of a horizontal flip. It needs `mirrored`, see `horizontal_flip`.
    brightness, contrast, saturation, hue: strengths of the colour jitter.
    erase: probability of erasing a tube.

    `dataclasses.asdict(augment)` can be stored as JSON, and `Augment(**stored)` is the same recipe again.
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
        for field in fields(self):  # JSON knows lists only
            value = getattr(self, field.name)
            object.__setattr__(self, field.name, tuple(value) if isinstance(value, list) else value)
        if self.area is not None:
            check_range("area", self.area, most=1)
        if self.size is not None:
            two_sides(self.size)
            if self.area is None:
                raise ValueError(f"size is {self.size} and area is missing; size is what the random crop is scaled to, "
                                 f"so say how large the crop is, for example area=(0.08, 1.0)")
        check_range("aspect", self.aspect)
        check_probability("flip", self.flip)
        check_probability("erase", self.erase)
        if self.mirrored is not None:
            check_mirrored(self.mirrored)
        elif self.flip:
            raise ValueError(
                f"flip is {self.flip} and mirrored is missing: which label has a mirrored clip? "
                f"mirrored_directions(task) and mirrored_names(classes) tell; where no label knows left from right, "
                f'say mirrored="unchanged"'
            )
        check_strengths(**self.strengths)

    @property
    def strengths(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in STRENGTHS}

    def __call__(self, clips: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """uint8, or float in 0 ... 1, `(b, c, t, h, w)` and labels `(b,)` -> float in 0 ... 1, and the labels of
        what is now seen. To be normalised afterwards, and mixed last of all (`mix`)."""
        check_clips(clips, batched=True)
        check_labels(labels, len(clips))
        check_generator(generator)
        clips = unit_range(clips)
        if self.area is not None:
            size = clips.shape[-2:] if self.size is None else self.size
            clips = random_resized_crop(clips, size, area=self.area, aspect=self.aspect, generator=generator)
        if self.flip:
            clips, labels = horizontal_flip(clips, labels, mirrored=self.mirrored, p=self.flip, generator=generator)
        if any(self.strengths.values()):
            clips = colour_jitter(clips, **self.strengths, generator=generator)
        if self.erase:
            clips = erase_tubes(clips, p=self.erase, generator=generator)
        return clips, labels
