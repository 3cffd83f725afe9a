"""Random rectangles in a frame, one for each clip: what is cropped, erased, or pasted from another clip."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

ATTEMPTS = 10


class Boxes(NamedTuple):
    """Whole pixels, each `(b,)`: row and column of the upper left corner, and the two sides."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor

    def inside(self, height: int, width: int, device: torch.device) -> Tensor:
        """True for the pixels in each box: `(b, height, width)`."""
        top, left, tall, wide = (numbers.to(device)[:, None] for numbers in self)
        rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
        rows = (rows >= top) & (rows < top + tall)  # (b, height)
        columns = (columns >= left) & (columns < left + wide)  # (b, width)
        return rows[:, :, None] & columns[:, None, :]


def random_boxes(
    batch: int,
    height: int,
    width: int,
    *,
    area: tuple[float, float],
    aspect: tuple[float, float],
    generator: torch.Generator,
) -> Boxes:
    """Boxes at a uniform place, of uniform `area` (share of the frame) and log-uniform `aspect` (width / height).

    The Inception crop (Szegedy et al. 2015): up to ten attempts, of which the first that lies in the frame counts;
    after ten failures the largest box in the middle whose aspect ratio is allowed, so very large areas are
    drawn less often than they should be.
    """
    area_draw, aspect_draw, down, right = torch.rand(4, batch, ATTEMPTS, generator=generator, dtype=torch.float64)
    pixels = (area[0] + (area[1] - area[0]) * area_draw) * height * width
    low, high = map(math.log, aspect)
    ratio = (low + (high - low) * aspect_draw).exp()
    tall = (pixels / ratio).sqrt().round().clamp(min=1).long()  # (b, attempts)
    wide = (pixels * ratio).sqrt().round().clamp(min=1).long()
    fits = (tall <= height) & (wide <= width)

    first = fits.long().argmax(dim=1, keepdim=True)  # 0 where none fits
    some = fits.any(dim=1)
    tall, wide, down, right = (numbers.gather(1, first).squeeze(1) for numbers in (tall, wide, down, right))
    best = min(max(width / height, aspect[0]), aspect[1])
    tall = torch.where(some, tall, max(1, min(height, round(width / best))))
    wide = torch.where(some, wide, max(1, min(width, round(height * best))))
    top = torch.where(some, down * (height - tall + 1), (height - tall) // 2).long()
    left = torch.where(some, right * (width - wide + 1), (width - wide) // 2).long()
    return Boxes(top, left, tall, wide)


def check_range(name: str, values: tuple[float, float], most: float = math.inf) -> None:
    """Raise ValueError unless `values` are two numbers, 0 < low <= high <= most."""
    if len(values) != 2 or not 0 < values[0] <= values[1] <= most:
        bound = "" if most == math.inf else f" <= {most:g}"
        raise ValueError(f"{name} is {values!r}; expected (low, high) with 0 < low <= high{bound}")
