"""R(2+1)D as torchvision names it."""

from __future__ import annotations

import re

from torch import Tensor

from videoformer_edu.pretrained.names.rename import rename

_LAYER = r"layer(\d)\.(\d+)\."  # layer1 is our stage 0: renumbered afterwards
R2PLUS1D = {
    r"stem\.([01])\.(.*)": r"stem.space.\1.\2",
    r"stem\.3\.(.*)": r"stem.time.0.\1",
    r"stem\.4\.(.*)": r"stem.time.1.\1",
    _LAYER + r"conv1\.0\.([01])\.(.*)": r"layer\1.\2.body.0.space.\3.\4",
    _LAYER + r"conv1\.0\.3\.(.*)": r"layer\1.\2.body.0.time.0.\3",
    _LAYER + r"conv1\.1\.(.*)": r"layer\1.\2.body.0.time.1.\3",
    _LAYER + r"conv2\.0\.([01])\.(.*)": r"layer\1.\2.body.1.space.\3.\4",
    _LAYER + r"conv2\.0\.3\.(.*)": r"layer\1.\2.body.1.time.0.\3",
    _LAYER + r"conv2\.1\.(.*)": r"layer\1.\2.body.1.time.1.\3",
    _LAYER + r"downsample\.(.*)": r"layer\1.\2.shortcut.\3",
    r"fc\.(.*)": r"head.\1",
}


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's state dict of R(2+1)D -> one with our names."""
    return {re.sub(r"^layer(\d)", lambda m: f"stages.{int(m[1]) - 1}", key): value
            for key, value in rename(state, R2PLUS1D).items()}
