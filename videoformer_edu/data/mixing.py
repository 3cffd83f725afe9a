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
from videoformer_edu.data.augment import Boxes


def mix(clips: Tensor, labels: Tensor, *, classes: int, mixup: float = 0.0, cutmix: float = 0.0,
        generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """MixUp with alpha `mixup` or CutMix with alpha `cutmix`; 0 means without. With both, a coin decides per batch.

    float clips `(b, c, t, h, w)`, labels `(b,)` -> mixed clips of the same shape and float targets `(b, classes)`,
    one-hot where nothing is mixed. Raises TypeError for clips that are not float or labels that are not whole numbers,
    ValueError for another layout, labels outside 0 ... classes - 1, an alpha below 0, or no generator on the CPU.
    """
    check_clips(clips, batched=True)
    check_labels(labels, len(clips))
    check_count("classes", classes)
    check_generator(generator)
    if not clips.is_floating_point():
        raise TypeError(f"clips are {clips.dtype}; mixing averages pixels, so make them float first, with normalise")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels go from {labels.min()} to {labels.max()}; expected 0 to {classes - 1}, "
                         f"as classes is {classes}")
    for name, alpha in (("mixup", mixup), ("cutmix", cutmix)):
        if not 0 <= alpha < math.inf:
            raise ValueError(f"{name} is {alpha!r}; expected a number from 0, the alpha of Beta(alpha, alpha)")
    targets = F.one_hot(labels.long(), classes).float()
    wanted = [(kind, alpha) for kind, alpha in ((_mixup, mixup), (_cutmix, cutmix)) if alpha]
    if not wanted:
        return clips, targets
    kind, alpha = wanted[int(torch.randint(len(wanted), (), generator=generator))]
    clips, kept = kind(clips, alpha, generator)
    kept = kept.to(targets)[:, None]  # (b, 1)
    return clips, kept * targets + (1 - kept) * targets.roll(1, dims=0)


def _mixup(clips: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`share * clip + (1 - share) * partner`, and what each clip keeps of itself, `(b,)`."""
    share = draw_shares(len(clips), alpha, generator)
    return clips.roll(1, dims=0).lerp(clips, share.to(clips).view(-1, 1, 1, 1, 1)), share


def _cutmix(clips: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Paste a box of the partner, the same in all frames; -> also the share of pixels that each clip keeps, `(b,)`.

    The box has the frame's aspect ratio and 1 - share of its area; its centre is anywhere in the frame, and what
    lies outside is cut off.
    """
    half = (1 - draw_shares(len(clips), alpha, generator)).sqrt() / 2  # (b,) in sides of the frame
    centres = torch.rand(2, len(clips), generator=generator, dtype=torch.float64)  # (2, b) row and column
    height, width = clips.shape[-2:]
    (top, bottom), (left, right) = (
        [(size * edge).round().clamp(0, size).long() for edge in (centre - half, centre + half)]
        for size, centre in zip((height, width), centres, strict=True)
    )
    boxes = Boxes(top, left, bottom - top, right - left)
    kept = 1 - boxes.height * boxes.width / (height * width)  # after rounding and cutting, not as drawn
    return torch.where(boxes.inside(clips), clips.roll(1, dims=0), clips), kept


def draw_shares(batch: int, alpha: float, generator: torch.Generator) -> Tensor:
    """How much each clip keeps of itself: `(b,)` float64 from Beta(alpha, alpha), on the CPU."""
    # torch's Beta takes no generator, so ours seeds numpy's.
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, size=batch))
