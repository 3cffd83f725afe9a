"""Real handwritten digits as sprites: one opacity mask per digit.

The source is scikit-learn's bundled copy of the UCI "Optical Recognition of Handwritten Digits" set
(1797 images of 8x8 pixels, E. Alpaydin and C. Kaynak, 1998). No network is needed.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from videoformer_edu.data.arguments import check_split

MASK_SIZE = 28  # pixels of a sprite's side: 24 of handwriting and a margin of 2 all round


class Sprites(NamedTuple):
    """Opacity masks `(n, 28, 28)` in [0, 1], the digit `(n,)` that each shows, and its row `(n,)` in the source."""

    mask: Tensor
    digit: Tensor
    source: Tensor


@lru_cache(maxsize=2)
def digit_sprites(split: str = "train") -> Sprites:
    """The sprites of one split: 1347 for training, 450 others for testing (split by image, not by writer)."""
    check_split(split)
    from sklearn.datasets import load_digits

    bunch = load_digits()
    ink = torch.from_numpy(bunch.images).float().unsqueeze(1) / 16  # (n, 1, 8, 8)
    ink = F.interpolate(ink, size=(24, 24), mode="bicubic", align_corners=False).clamp(0, 1)
    # Eight grey pixels make a blurred stroke; the sigmoid gives it an edge, and paper exactly 0.
    mask = torch.sigmoid(9 * (ink - 0.45)).squeeze(1)  # (n, 24, 24)
    mask = (mask - mask.amin(dim=(1, 2), keepdim=True)).clamp(0, 1)
    mask = F.pad(mask, (2, 2, 2, 2))  # (n, 28, 28)
    digit = torch.from_numpy(bunch.target).long()

    order = torch.randperm(len(mask), generator=torch.Generator().manual_seed(0))
    train = int(0.75 * len(mask))
    chosen = order[:train] if split == "train" else order[train:]
    return Sprites(mask[chosen], digit[chosen], chosen)
