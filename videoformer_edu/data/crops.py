"""Cutting and scaling clips: the random crop of training, and the views of an evaluation.

All functions take `(b, c, t, h, w)` or one clip `(c, t, h, w)`, uint8 or float in any range, on any device; sizes are
`size` or `(height, width)`. Scaling is bilinear with antialiasing, so a picture that shrinks is averaged and not
subsampled. A sampling grid would do the whole batch at once, but it cannot average: so each clip is scaled for
itself, all its frames and channels in one call.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from videoformer_edu.data.arguments import check_clips, check_count, check_generator
from videoformer_edu.data.boxes import check_range, random_boxes
from videoformer_edu.data.video.clips import window_room

__all__ = ["centre_crop", "random_resized_crop", "resize", "temporal_subsample", "views"]


def resize(clips: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Scale every frame to `size`, bilinear and antialiased; dtype and device stay. Bytes are rounded."""
    check_clips(clips)
    height, width = two_sides(size)
    planes = clips.reshape(-1, *clips.shape[-3:])  # (b c, t, h, w)
    # PyTorch scales single and double precision everywhere, bytes on the CPU alone, half precision not everywhere.
    native = clips.dtype in (torch.float32, torch.float64) or (clips.dtype == torch.uint8 and not clips.is_cuda)
    scaled = F.interpolate(planes if native else planes.float(), size=(height, width), mode="bilinear",
                           align_corners=False, antialias=True)
    if clips.dtype == torch.uint8 and not native:
        scaled = scaled.round_()
    return scaled.to(clips.dtype).reshape(*clips.shape[:-2], height, width)


def random_resized_crop(
    clips: Tensor,
    size: int | tuple[int, int],
    *,
    area: tuple[float, float] = (0.08, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
    generator: torch.Generator,
) -> Tensor:
    """Cut one random box per clip, the same in all its frames, and scale it to `size` (Szegedy et al. 2015).

    The box has between `area[0]` and `area[1]` of the frame's area and an `aspect` ratio (width / height) between
    the two; see `random_boxes`. Raises ValueError for a bad layout, size, range or generator.
    """
    check_clips(clips)
    check_generator(generator)
    check_range("area", area, most=1)
    check_range("aspect", aspect)
    size = two_sides(size)
    if clips.ndim == 4:
        return random_resized_crop(clips[None], size, area=area, aspect=aspect, generator=generator)[0]
    boxes = random_boxes(len(clips), *clips.shape[-2:], area=area, aspect=aspect, generator=generator)
    corners = zip(clips, *(numbers.tolist() for numbers in boxes), strict=True)
    return torch.stack([resize(clip[..., y : y + h, x : x + w], size) for clip, y, x, h, w in corners])


def centre_crop(clips: Tensor, size: int) -> Tensor:
    """Scale the shorter side to `size` and cut the middle square: `(..., size, size)`."""
    return three_crops(clips, size)[1]


def three_crops(clips: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Scale the shorter side to `size` and cut three squares: left, middle, right, or top, middle, bottom.

    Together they cover frames up to three times as long as wide. Of a square frame all three are the same.
    """
    check_clips(clips)
    check_count("size", size)
    height, width = clips.shape[-2:]
    short = min(height, width)
    scaled = resize(clips, (size * height // short, size * width // short))
    room = max(scaled.shape[-2:]) - size
    along = -1 if width > height else -2
    # The middle is rounded as everywhere else, to an even number when it lies between two pixels.
    return tuple(scaled.narrow(along, start, size) for start in (0, round(room / 2), room))


def views(
    clip: Tensor, *, frames: int, size: int, clips: int = 1, crops: int = 3, stride: int = 1
) -> Tensor:
    """What a multi-view evaluation averages over: `(c, T, h, w)` -> `(v, c, frames, size, size)`, v = clips * crops.

    `clips` windows of `frames` frames, `stride` apart, begin at even distances from the first possible frame to the
    last (one alone lies in the middle); each gives 1 crop (the middle) or 3 (`three_crops`), which follow each other.
    Where there is no room, in a short clip or a square frame, views repeat: their number is always the same.
    The protocol of Wang et al. 2018, "Non-local Neural Networks" (10 clips, 3 crops), and of TimeSformer (1 and 3).
    Raises TooFewFrames when the clip is shorter than one window, ValueError for other bad arguments.
    """
    check_clips(clip)
    if clip.ndim != 4:
        raise ValueError(f"clip is {tuple(clip.shape)}; expected one clip (c, t, h, w)")
    for name, value in (("frames", frames), ("size", size), ("clips", clips), ("stride", stride)):
        check_count(name, value)
    if crops not in (1, 3):
        raise ValueError(f"crops is {crops!r}; expected 1 (the middle) or 3 (the ends, too)")
    room = window_room(clip.shape[1], frames, stride)
    starts = [room // 2] if clips == 1 else [round(i * room / (clips - 1)) for i in range(clips)]
    squares = three_crops(clip, size) if crops == 3 else (centre_crop(clip, size),)
    within = slice(0, (frames - 1) * stride + 1, stride)
    return torch.stack([square[:, start:][:, within] for start in starts for square in squares])


def temporal_subsample(clips: Tensor, indices: list[int] | Tensor) -> Tensor:
    """The frames `indices` of every clip, in that order: `(..., T, h, w)` -> `(..., t, h, w)`.

    `indices` `(t,)` serves all clips, `(b, t)` has a row for each; `sample_indices` in `clips.py` draws them.
    Raises ValueError for another shape, IndexError for frames that are not there.
    """
    check_clips(clips)
    indices = torch.as_tensor(indices, device=clips.device)
    total = clips.shape[-3]
    if indices.is_floating_point() or indices.ndim == 0 or indices.shape[:-1] not in ((), clips.shape[:-4]):
        raise ValueError(f"indices are {indices.dtype} {tuple(indices.shape)}; expected whole numbers (t,), or (b, t) "
                         f"with a row for each of the clips {tuple(clips.shape)}")
    if indices.numel() and not 0 <= indices.min() <= indices.max() < total:
        raise IndexError(f"indices go from {indices.min()} to {indices.max()}; the clips have frames 0 to {total - 1}")
    if indices.ndim == 1:
        return clips.index_select(-3, indices)
    return torch.stack([clip.index_select(-3, row) for clip, row in zip(clips, indices, strict=True)])


def two_sides(size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a `size` given as one number or as both."""
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2:
        raise ValueError(f"size is {size!r}; expected a number of pixels, or (height, width)")
    for side in sides:
        check_count("size", side)
    return sides
