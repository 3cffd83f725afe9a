"""MixUp and CutMix over clips: the inputs of two clips become one, and so do their targets.

    clips, targets = mix(clips, labels, classes=8, mixup=0.2, cutmix=1.0, generator=generator)
    loss = F.cross_entropy(model(clips), targets)       # soft targets (b, classes), each row sums to 1

Each clip is mixed with the one before it in the batch, the first with the last; the order of a batch is random, so
this is a random partner. The share of each clip is drawn for itself, from Beta(alpha, alpha), and is the same in all
its frames. A batch of one clip has no partner and stays as it is.

MixUp: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization". CutMix: Yun et al. 2019, "CutMix:
Regularization Strategy to Train Strong Classifiers with Localizable Features".
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from videoformer_edu.data.arguments import check_clips, check_count, check_generator, check_labels
from videoformer_edu.data.boxes import Boxes

__all__ = ["cutmix", "mix", "mixup"]


def mixup(
    clips: Tensor, labels: Tensor, *, classes: int, alpha: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """`share * clip + (1 - share) * partner`, and the targets likewise: float `(b, c, t, h, w)` and `(b, classes)`.

    Raises TypeError for clips that are not float or labels that are not whole numbers, ValueError for another layout,
    labels outside 0 ... classes - 1, an `alpha` not above 0, or no generator on the CPU.
    """
    targets = one_hot(clips, labels, classes)
    check_float(clips)
    share = draw_shares(len(clips), alpha, generator)
    mixed = clips.roll(1, dims=0).lerp(clips, for_each_clip(share, clips).to(clips.dtype))
    return mixed, mix_targets(targets, share)


def cutmix(
    clips: Tensor, labels: Tensor, *, classes: int, alpha: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Paste a box of the partner, the same in all frames; the targets mix by the share of pixels that a clip keeps.

    The box has the frame's aspect ratio and 1 - share of its area; its centre is anywhere in the frame, and what
    lies outside is cut off. uint8 or float `(b, c, t, h, w)`; otherwise the errors of `mixup`.
    """
    targets = one_hot(clips, labels, classes)
    half = (1 - draw_shares(len(clips), alpha, generator)).sqrt() / 2  # (b,) in sides of the frame
    centres = torch.rand(2, len(clips), generator=generator, dtype=torch.float64)  # (2, b) row and column
    height, width = clips.shape[-2:]
    (top, bottom), (left, right) = (
        [(size * edge).round().clamp(0, size).long() for edge in (centre - half, centre + half)]
        for size, centre in zip((height, width), centres, strict=True)
    )
    boxes = Boxes(top, left, bottom - top, right - left)
    pasted = for_each_clip(boxes.inside(height, width, clips.device), clips)
    kept = 1 - boxes.height * boxes.width / (height * width)  # after rounding and cutting, not as drawn
    return torch.where(pasted, clips.roll(1, dims=0), clips), mix_targets(targets, kept)


MIXERS = {"mixup": mixup, "cutmix": cutmix}


def mix(
    clips: Tensor,
    labels: Tensor,
    *,
    classes: int,
    mixup: float = 0.0,
    cutmix: float = 0.0,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """MixUp with alpha `mixup` or CutMix with alpha `cutmix`; 0 means without. With both, a coin decides per batch.

    clips `(b, c, t, h, w)`, labels `(b,)` -> mixed clips of the same shape and float targets `(b, classes)`, one-hot
    where nothing is mixed. Errors as in the two functions of these names; 0 is allowed here.
    """
    check_generator(generator)
    wanted = [(name, alpha) for name, alpha in (("mixup", mixup), ("cutmix", cutmix)) if alpha != 0]
    for name, alpha in wanted:
        check_alpha(name, alpha)
    if mixup:
        check_float(clips)  # before the coin: an error that comes at every call is found
    if not wanted:
        return clips, one_hot(clips, labels, classes)
    name, alpha = wanted[int(torch.randint(len(wanted), (), generator=generator))]
    return MIXERS[name](clips, labels, classes=classes, alpha=alpha, generator=generator)


def one_hot(clips: Tensor, labels: Tensor, classes: int) -> Tensor:
    """`(b,)` -> float32 `(b, classes)`, after all checks of clips and labels."""
    check_clips(clips, batched=True)
    check_labels(labels, len(clips))
    check_count("classes", classes)
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels go from {labels.min()} to {labels.max()}; expected 0 to {classes - 1}, "
                         f"as classes is {classes}")
    return F.one_hot(labels.long(), classes).float()


def draw_shares(batch: int, alpha: float, generator: torch.Generator) -> Tensor:
    """How much each clip keeps of itself: `(b,)` float64 from Beta(alpha, alpha), on the CPU."""
    check_alpha("alpha", alpha)
    check_generator(generator)
    # torch's Beta takes no generator, so ours seeds numpy's.
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, size=batch))


def mix_targets(targets: Tensor, share: Tensor) -> Tensor:
    share = share.to(targets)[:, None]
    return share * targets + (1 - share) * targets.roll(1, dims=0)


def for_each_clip(values: Tensor, clips: Tensor) -> Tensor:
    """`(b,)` or `(b, h, w)` to the device of `clips (b, c, t, h, w)` and to a shape that spreads over c and t."""
    return values.to(clips.device).view(len(clips), 1, 1, *(values.shape[1:] or (1, 1)))


def check_float(clips: Tensor) -> None:
    if not clips.is_floating_point():
        raise TypeError(f"clips are {clips.dtype}; MixUp averages pixels, so make them float first, with normalise")


def check_alpha(name: str, alpha: float) -> None:
    if not 0 < alpha < math.inf:
        raise ValueError(f"{name} is {alpha!r}; expected a number above 0, the alpha of Beta(alpha, alpha)")
