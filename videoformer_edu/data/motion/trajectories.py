"""Where the digit goes: the label of a clip is a property of its trajectory.

`motion` and `motion4` live on a torus and leak nothing. `motion8` and `order6` are kept as material for a lesson
on leakage: they look harmless, and a single frame gives most of the label away.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from videoformer_edu.data.motion.rendering import FRAME, SPRITE_WIDTH, uniform

DIRECTIONS = ("E", "W", "S", "N", "SE", "NW", "SW", "NE")
# (dx, dy) of each direction, y downwards
STEPS = torch.tensor([(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (-1, 1), (1, -1)])
ORDERS = torch.tensor(
    [
        (0, 1, 2, 3, 4, 5, 6, 7),
        (7, 6, 5, 4, 3, 2, 1, 0),
        (0, 2, 4, 6, 7, 5, 3, 1),
        (7, 5, 3, 1, 0, 2, 4, 6),
        (3, 4, 2, 5, 1, 6, 0, 7),
        (7, 0, 6, 1, 5, 2, 4, 3),
    ]
)


class Trajectory(NamedTuple):
    """Class `(b,)`, centre of the sprite `(b, t, 2)` as (x, y) and its side `(b, t)`, both in pixels."""

    label: Tensor
    position: Tensor
    width: Tensor


class Task(NamedTuple):
    """The names of the classes, the trajectories behind them, and whether the frame is a torus."""

    classes: tuple[str, ...]
    trajectory: Callable[..., Trajectory]
    torus: bool


def torus_motion(
    batch: int, frames: int, size: int, generator: torch.Generator, speed: float = 1.0, classes: int = 8
) -> Trajectory:
    """Constant velocity on a torus from a uniform start.

    A uniform start stays uniform: at each time the position has the same distribution for all classes, so one
    frame carries no information, even at a known index: at most 1/8 = 12.5 % right. And a clip played backwards
    is a clip of the opposite direction, equally likely, so a set of frames tells the axis and never the sign: at
    most 50 % right.
    """
    unit = size / FRAME
    label = torch.randint(classes, (batch,), generator=generator)
    start = uniform(0, size, batch, 1, 2, generator=generator)
    pace = speed * uniform(1.5, 2.5, batch, 1, 1, generator=generator) * unit * 8 / frames  # pixels a frame
    time = torch.arange(frames).view(1, frames, 1)
    position = start + STEPS[label].unsqueeze(1) * pace * time  # (b, t, 2)
    # Twice, because the remainder of a tiny negative number rounds up to `size` itself.
    position = position.remainder(size).remainder(size)
    width = SPRITE_WIDTH * unit * uniform(0.7, 1.1, batch, 1, generator=generator)
    return Trajectory(label, position, width.repeat(1, frames))


def torus_motion4(batch: int, frames: int, size: int, generator: torch.Generator, speed: float = 1.0) -> Trajectory:
    """`torus_motion` with the first four directions, E W S N."""
    return torus_motion(batch, frames, size, generator, speed, classes=4)


def centred_motion(batch: int, frames: int, size: int, generator: torch.Generator, speed: float = 1.0) -> Trajectory:
    """Leaky: paths through the middle of a frame with edges, and sizes that grow or shrink.

    A digit that moves right must start on the left, and one that comes closer must start small: the first
    frame alone gives the class away (82 % with a small network).
    """
    unit = size / FRAME
    label = torch.randint(8, (batch,), generator=generator)
    centre = uniform(12, 20, batch, 1, 2, generator=generator) * unit
    pace = speed * uniform(1.5, 2.3, batch, 1, 1, generator=generator) * unit * 8 / frames  # pixels a frame
    scale = uniform(0.75, 1.3, batch, 1, generator=generator).repeat(1, frames)  # (b, t)
    small = uniform(0.6, 0.8, batch, 1, generator=generator)
    large = uniform(1.2, 1.5, batch, 1, generator=generator)

    # Written for the even class of each pair; the odd class is the same path backwards.
    middle = torch.arange(frames) - (frames - 1) / 2
    middle = torch.where(label.unsqueeze(1) % 2 == 0, middle, -middle)  # (b, t)
    step = torch.tensor([(1, 0), (0, 1), (1, 1), (0, 0)])[label // 2]  # (b, 2)
    position = centre + step.unsqueeze(1) * pace * middle.unsqueeze(2)  # (b, t, 2)
    zoom = small * (large / small) ** (middle / max(frames - 1, 1) + 0.5)  # geometric from small to large
    scale = torch.where(label.unsqueeze(1) // 2 == 3, zoom, scale)
    return Trajectory(label, position, SPRITE_WIDTH * unit * scale)


def ordered_places(batch: int, frames: int, size: int, generator: torch.Generator, speed: float = 1.0) -> Trajectory:
    """Leaky: the same eight places on a line, visited in one of six orders.

    The set of frames is the same for all classes, so an order-less model is at chance, 1/6, exactly. But each
    order puts another place at index 4: one frame *at a known index* gives the class away (87 %).
    """
    if frames != 8 or speed != 1:
        raise ValueError(f'frames is {frames}, speed is {speed}; the task "order6" visits eight places, so it needs '
                         'frames=8 and speed=1')
    unit = size / FRAME
    label = torch.randint(6, (batch,), generator=generator)
    spacing = uniform(2.2, 2.8, batch, 1, generator=generator) * unit
    centre_x = uniform(14.5, 17.5, batch, 1, generator=generator) * unit
    y = uniform(9, 23, batch, 1, generator=generator).repeat(1, frames) * unit
    x = centre_x + (ORDERS[label] - 3.5) * spacing  # (b, t)
    width = SPRITE_WIDTH * unit * uniform(0.7, 1.1, batch, 1, generator=generator)
    return Trajectory(label, torch.stack([x, y], dim=-1), width.repeat(1, frames))


TASKS = {
    "motion": Task(DIRECTIONS, torus_motion, torus=True),
    "motion4": Task(DIRECTIONS[:4], torus_motion4, torus=True),
    "motion8": Task(("E", "W", "S", "N", "SE", "NW", "approach", "recede"), centred_motion, torus=False),
    "order6": Task(tuple("".join(map(str, order)) for order in ORDERS.tolist()), ordered_places, torus=False),
}
