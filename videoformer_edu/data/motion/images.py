"""Single pictures for the image ViT: a handwritten digit somewhere on a photograph."""

from typing import NamedTuple

import torch
from torch import Tensor

from videoformer_edu.data.arguments import check_count, check_split, random_generator
from videoformer_edu.data.motion.rendering import FRAME, SPRITE_WIDTH, render, uniform


class DigitImages(NamedTuple):
    """images uint8 `(b, 3, h, w)`; digit `(b,)`, 0 to 9; position `(b, 2)`, (x, y) of its centre in pixels;
    width `(b,)`, the side of its square in pixels."""

    images: Tensor
    digit: Tensor
    position: Tensor
    width: Tensor


def digit_images(
    batch: int,
    *,
    generator: torch.Generator | None = None,
    seed: int | None = None,
    split: str = "train",
    size: int = 32,
) -> DigitImages:
    """Draw `batch` pictures, `size` pixels wide and high, each with one whole digit at a random place.

    The place is uniform over all places where the digit's square lies inside the picture, so a model has to
    look for it. Sprites, colours, photographs and noise are those of the `motion` clips.
    Raises ValueError for an unknown split, a count below 1, a size below 8, or no source of chance.
    """
    check_count("batch", batch)
    check_count("size", size, least=8)
    check_split(split)
    generator = random_generator(generator, seed)
    width = SPRITE_WIDTH * size / FRAME * uniform(0.7, 1.1, batch, 1, generator=generator)
    room = size - width.unsqueeze(2)  # (b, 1, 1)
    position = width.unsqueeze(2) / 2 + room * torch.rand(batch, 1, 2, generator=generator)
    clips, digit = render(position, width, split=split, size=size, torus=False, generator=generator)
    return DigitImages(clips.squeeze(2), digit, position.squeeze(1), width.squeeze(1))
