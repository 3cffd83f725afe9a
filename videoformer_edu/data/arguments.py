"""Checks of what a caller asks for, shared by all that draws, reads and transforms clips."""

import math

import torch
from torch import Tensor


def check_count(name: str, value: int, least: int = 1) -> None:
    """Raise ValueError unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is {value!r}; expected a whole number of at least {least}")


def check_split(split: str) -> None:
    """Raise ValueError unless `split` is "train" or "test"."""
    if split not in ("train", "test"):
        raise ValueError(f'split is {split!r}; expected "train" or "test"')


def random_generator(generator: torch.Generator | None, seed: int | None) -> torch.Generator:
    """The one source of chance: exactly one of `generator` and `seed` must be given."""
    if (generator is None) == (seed is None):
        given = "neither" if seed is None else "both"
        raise ValueError(f"{given} of generator and seed given; give one of them, for example seed=0")
    return generator if seed is None else torch.Generator().manual_seed(seed)


def check_generator(generator: torch.Generator) -> None:
    """Raise ValueError unless `generator` is a generator on the CPU: the same draws, wherever the clips lie."""
    if not isinstance(generator, torch.Generator) or generator.device.type != "cpu":
        raise ValueError(
            f"generator is {generator!r}; expected one on the CPU, for example torch.Generator().manual_seed(0)"
        )


def check_clips(clips: Tensor, *, batched: bool = False) -> None:
    """Raise ValueError unless `clips` is `(b, c, t, h, w)` or one clip `(c, t, h, w)`, uint8 or float, c = 1 or 3.

    `batched` allows the first alone. A batch of three frames with its axes swapped, (b, t, c, h, w), cannot be told.
    """
    layout = "(b, c, t, h, w)" if batched else "(b, c, t, h, w) or (c, t, h, w)"
    expected = f"expected uint8 or float {layout}, c = 1 or 3"
    if not isinstance(clips, Tensor):
        raise TypeError(f"clips are a {type(clips).__name__}; {expected}")
    shape = tuple(clips.shape)
    if not (clips.dtype == torch.uint8 or clips.is_floating_point()):
        raise TypeError(f"clips are {clips.dtype}; {expected}")
    if clips.ndim not in ((5,) if batched else (4, 5)) or 0 in shape:
        raise ValueError(f"clips are {shape}; {expected}, and no axis empty")
    if shape[-4] not in (1, 3):
        hint = ""
        if shape[-3] in (1, 3):
            hint = "; this looks like (t, c, h, w) per clip: clips.transpose(-4, -3)"
        elif shape[-1] in (1, 3):
            hint = "; this looks like (t, h, w, c) per clip: clips.movedim(-1, -4)"
        raise ValueError(f"clips are {shape}; {expected}{hint}")


def check_labels(labels: Tensor, batch: int) -> None:
    """Raise unless `labels` are whole numbers, one for each of `batch` clips."""
    kind = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
    if kind not in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64):
        raise TypeError(f"labels are {kind}; expected a tensor of whole numbers (b,), one class for each clip")
    if labels.shape != (batch,):
        raise ValueError(f"labels are {tuple(labels.shape)}; expected ({batch},), one class for each clip")


def check_range(name: str, values: tuple[float, float], most: float = math.inf) -> None:
    """Raise ValueError unless `values` are two numbers, 0 < low <= high <= most."""
    if len(values) != 2 or not 0 < values[0] <= values[1] <= most:
        bound = "" if most == math.inf else f" <= {most:g}"
        raise ValueError(f"{name} is {values!r}; expected (low, high) with 0 < low <= high{bound}")
