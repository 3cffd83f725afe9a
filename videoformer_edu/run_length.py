"""Run-length tokenisation: a patch that does not change is kept once, with the number of steps it lasts.

After "Don't Look Twice" (Choudhury et al. 2024, arXiv:2411.05222, section 3): fewer tokens instead of fewer pairs, from
the pixels alone, before a model has seen anything. A camera at rest saves most; one that moves, little.

    keep = kept_tokens(clips, patch_size=16, tubelet_size=2, threshold=0.1)     # (b, t, h, w) bool
    run_lengths(keep)                                                           # (b, t, h, w), 0 where dropped
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from videoformer_edu.tokens import check_video

REFERENCES = ("previous", "kept")


def kept_tokens(video: Tensor, *, patch_size: int, tubelet_size: int = 1, threshold: float = 0.1,
                reference: str = "previous") -> Tensor:
    """`(b, c, t, h, w)` float pixels -> `(b, t', h', w')` bool: does this patch differ from what stood there before?

    threshold: a mean absolute difference, in the units of the pixels (0.1 in the paper, where a standard deviation of
    ImageNet is 1). The first step is always kept. With tubelets, the first frame before is held against the last now.
    reference: "previous" compares with the step before, as published: a slow change is never seen. "kept" compares with
    the last patch that was kept, so that small changes add up.
    """
    check_video(video, video.shape[1], (tubelet_size, patch_size, patch_size))
    if reference not in REFERENCES:
        raise ValueError(f"reference must be one of {', '.join(REFERENCES)}; got {reference!r}")
    first, last = video[:, :, ::tubelet_size], video[:, :, tubelet_size - 1::tubelet_size]  # (b, c, t', h, w)

    def differs(now: Tensor, before: Tensor) -> Tensor:
        return F.avg_pool2d((now - before).abs().mean(dim=1), patch_size) > threshold  # (b, h', w')

    kept, keep = first[:, :, 0], [torch.ones_like(differs(first[:, :, 0], first[:, :, 0]))]
    for t in range(1, first.shape[2]):
        new = differs(last[:, :, t], kept)
        keep.append(new)
        taken = new.repeat_interleave(patch_size, 1).repeat_interleave(patch_size, 2)[:, None]  # (b, 1, h, w)
        kept = first[:, :, t] if reference == "previous" else torch.where(taken, first[:, :, t], kept)
    return torch.stack(keep, dim=1)


def run_lengths(keep: Tensor) -> Tensor:
    """`(b, t, h, w)` bool -> whole numbers: for how many steps each kept patch stands; 0 where none is kept.

    Those of a tube add up to t: nothing is lost but the change that was too small.
    """
    if not keep[:, 0].all():
        raise ValueError("the first step of every tube must be kept: there is nothing before it to repeat")
    lengths, following = torch.zeros_like(keep, dtype=torch.long), 0
    for t in reversed(range(keep.shape[1])):
        following = following + 1  # steps from here on that nothing has claimed
        lengths[:, t] = torch.where(keep[:, t], following, 0)
        following = torch.where(keep[:, t], 0, following)
    return lengths


def savings(keep: Tensor) -> float:
    """The share of tokens that is dropped."""
    return 1 - keep.float().mean().item()


__all__ = ["kept_tokens", "run_lengths", "savings"]
