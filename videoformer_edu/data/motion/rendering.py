"""From numbers to pixels: draw a sprite at given places and sizes over a background.

A sprite is only moved and scaled, never turned, so bilinear sampling splits into rows and columns:
`opacity = rows @ mask @ columns^T`. Two small matrix products replace a general sampling grid.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from videoformer_edu.data.motion.digits import MASK_SIZE, digit_sprites
from videoformer_edu.data.motion.photographs import photograph_crops

SPRITE_WIDTH = 15.0  # pixels in a 32-pixel frame, at scale 1
FRAME = 32  # the side for which every length of the construction is given
NOISE = 0.02  # standard deviation, pixel values in [0, 1]


def uniform(low: float, high: float, *shape: int, generator: torch.Generator) -> Tensor:
    """Uniform random numbers in [low, high)."""
    return low + (high - low) * torch.rand(shape, generator=generator)


def sampling_weights(centre: Tensor, width: Tensor, size: int, torus: bool) -> Tensor:
    """How much of each mask row lands on each pixel row (the same for columns): `(..., size, 28)`.

    `centre` and `width` `(...)` are in pixels. Pixel k is sampled at k + 0.5. On a torus the frame's opposite
    edges are neighbours, so a sprite that leaves on one side enters on the other.
    """
    offset = torch.arange(size) + 0.5 - centre.unsqueeze(-1)  # (..., size)
    if torus:
        offset = (offset + size / 2).remainder(size) - size / 2
    place = (offset / width.unsqueeze(-1) + 0.5) * MASK_SIZE - 0.5  # in mask pixels
    return (1 - (place.unsqueeze(-1) - torch.arange(MASK_SIZE)).abs()).clamp_(min=0)  # a hat: bilinear


def draw_opacity(mask: Tensor, position: Tensor, width: Tensor, size: int, *, torus: bool) -> Tensor:
    """Opacity of the sprite in each frame, `(b, t, size, size)`.

    `mask (b, 28, 28)`; `position (b, t, 2)` is the sprite's centre (x, y), `width (b, t)` its side, in pixels.
    """
    columns = sampling_weights(position[..., 0], width, size, torus)  # (b, t, size, 28)
    rows = sampling_weights(position[..., 1], width, size, torus)
    return rows @ mask.unsqueeze(1) @ columns.transpose(-1, -2)


def render(
    position: Tensor, width: Tensor, *, split: str, size: int, torus: bool, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw one random sprite, colour and background per clip along its trajectory.

    `position (b, t, 2)` and `width (b, t)` are in pixels. Returns the clips, uint8 `(b, 3, t, size, size)`, and
    the digits `(b,)`. All but the position, the size and the noise is constant within a clip.
    """
    batch, frames, _ = position.shape
    sprites, crops = digit_sprites(split), photograph_crops(split, size)
    chosen = torch.randint(len(sprites.mask), (batch,), generator=generator)
    colour = uniform(0.65, 1, batch, 3, 1, 1, 1, generator=generator)
    background = crops[torch.randint(len(crops), (batch,), generator=generator)]  # (b, 3, h, w)
    flipped = torch.rand(batch, 1, 1, 1, generator=generator) < 0.5
    background = torch.where(flipped, background.flip(-1), background)
    brightness = uniform(0.15, 0.45, batch, 1, 1, 1, generator=generator)
    background = (background * (brightness / 255)).unsqueeze(2)  # (b, 3, 1, h, w)

    opacity = draw_opacity(sprites.mask[chosen], position, width, size, torus=torus).unsqueeze(1)
    noise = torch.randn(batch, 1, frames, size, size, generator=generator)  # the same for the three channels
    clips = opacity * (colour - background)  # (b, 3, t, h, w)
    clips += background
    clips.add_(noise, alpha=NOISE).clamp_(0, 1).mul_(255)
    return clips.to(torch.uint8), sprites.digit[chosen]


def coverage(position: Tensor, width: Tensor, grid: tuple[int, int], size: int, *, torus: bool) -> Tensor:
    """How much of each patch the digit's square covers: `(b, t, h, w)` in [0, 1], `grid` is (rows, columns).

    `position (b, t, 2)` is the digit's centre (x, y), `width (b, t)` the side of its square, in pixels of a frame of
    `size` pixels. On a torus the square goes on at the opposite edge. Counted in pixels.
    """
    pixel = torch.arange(size) + 0.5
    offset = pixel - position[..., None]  # (b, t, 2, size)
    if torus:
        offset = (offset + size / 2).remainder(size) - size / 2
    inside = (offset.abs() <= width[..., None, None] / 2).float()
    square = inside[..., 1, :, None] * inside[..., 0, None, :]  # (b, t, y, x)
    return F.avg_pool2d(square, (size // grid[0], size // grid[1]))
