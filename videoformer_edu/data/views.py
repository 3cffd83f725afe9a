"""What an evaluation looks at: frames and squares of a clip that no chance decides.

    logits = multi_view(model, views(clips, frames=8, size=224, crops=3))     # `training.evaluate` averages
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from videoformer_edu.data.arguments import check_clips, check_count
from videoformer_edu.data.video.clips import sample_indices, window_room


def views(clips: Tensor, *, frames: int, size: int, windows: int = 1, crops: int = 1, stride: int = 1) -> Tensor:
    """`(b, c, T, h, w)` -> `(b, windows * crops, c, frames, size, size)`, evenly spaced in time, then in space.

    The shorter side is scaled to `size`. `windows` of `frames` frames, `stride` apart, begin at even distances from
    the first frame to the last possible one; of each, `crops` squares lie along the longer side likewise; one alone
    lies in the middle. Where there is no room, in a short clip or a square frame, views repeat.
    "10 x 3 views" are windows=10, crops=3 (Wang et al. 2018, "Non-local Neural Networks"); TimeSformer takes 1 x 3.
    Raises TooFewFrames when the clips are shorter than one window, ValueError for other bad arguments.
    """
    check_clips(clips, batched=True)
    for name, value in (("frames", frames), ("size", size), ("windows", windows), ("crops", crops), ("stride", stride)):
        check_count(name, value)
    *_, total, height, width = clips.shape
    room, short = window_room(total, frames, stride), min(height, width)
    sides = (size * height // short, size * width // short)
    scaled = torch.stack([resize(clip, sides) for clip in clips])  # (b, c, T, h, w)
    along = -1 if width > height else -2
    found = []
    for start in spaced(room, windows):
        window = scaled[:, :, start:][:, :, : (frames - 1) * stride + 1 : stride]
        found += [window.narrow(along, place, size) for place in spaced(max(sides) - size, crops)]
    return torch.stack(found, dim=1)


def spaced(last: int, count: int) -> list[int]:
    """`count` whole numbers from 0 to `last` at even distances; one alone is in the middle."""
    return [round(last / 2)] if count == 1 else [round(i * last / (count - 1)) for i in range(count)]


def temporal_subsample(clips: Tensor, frames: int, *, sampling: str = "uniform", stride: int = 1,
                       generator: torch.Generator | None = None) -> Tensor:
    """`(b, c, T, h, w)` -> `(b, c, frames, h, w)`: frames of each clip, chosen by `sample_indices` for itself.

    Raises what that raises.
    """
    check_clips(clips, batched=True)
    chosen = [sample_indices(clips.shape[2], frames, sampling=sampling, stride=stride, generator=generator)
              for _ in clips]
    return torch.stack([clip[:, indices] for clip, indices in zip(clips, chosen, strict=True)])


def resize(clip: Tensor, size: tuple[int, int]) -> Tensor:
    """`(c, t, h, w)` -> every frame scaled to `size`, (height, width); bytes are rounded.

    Bilinear with antialiasing, so a picture that shrinks is averaged. A sampling grid would do a whole batch at once,
    but it picks single pixels.
    """
    values = clip if clip.is_floating_point() else clip.float()
    values = F.interpolate(values, size=size, mode="bilinear", align_corners=False, antialias=True)
    return values if clip.is_floating_point() else values.round_().to(clip.dtype)
