"""The 3-D CNNs: torchvision's R(2+1)D and pytorchvideo's SlowFast (`{"model_state": ...}` in its .pyth files)."""

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


def convert_r2plus1d(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's state dict of R(2+1)D -> one with our names."""
    return {re.sub(r"^layer(\d)", lambda m: f"stages.{int(m[1]) - 1}", key): value
            for key, value in rename(state, R2PLUS1D).items()}


_PATHWAYS = ("slow", "fast")
_CONV = {"conv": 0, "norm": 1}
_BRANCH = {"a": 0, "b": 1, "c": 2}


def convert_slowfast(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """pytorchvideo's state dict of SlowFast -> one with our names. Its block 0 is the stem, 1 to 4 the stages."""
    return {_slowfast(key): value for key, value in state.items()}


def _slowfast(key: str) -> str:
    if match := re.fullmatch(r"blocks\.(\d+)\.multipathway_fusion\.(conv|norm)(?:_fast_to_slow)?\.(.*)", key):
        return f"laterals.{match[1]}.{_CONV[match[2]]}.{match[3]}"
    if match := re.fullmatch(r"blocks\.0\.multipathway_blocks\.([01])\.(conv|norm)\.(.*)", key):
        return f"{_PATHWAYS[int(match[1])]}_stem.0.{_CONV[match[2]]}.{match[3]}"
    if match := re.fullmatch(r"blocks\.(\d+)\.multipathway_blocks\.([01])\.res_blocks\.(\d+)\.(.*)", key):
        block = f"{_PATHWAYS[int(match[2])]}_stages.{int(match[1]) - 1}.{match[3]}"
        if branch := re.fullmatch(r"branch1_(conv|norm)\.(.*)", match[4]):
            return f"{block}.shortcut.{_CONV[branch[1]]}.{branch[2]}"
        if branch := re.fullmatch(r"branch2\.(conv|norm)_([abc])\.(.*)", match[4]):
            return f"{block}.body.{_BRANCH[branch[2]]}.{_CONV[branch[1]]}.{branch[3]}"
    return re.sub(r"^blocks\.\d+\.proj\.", "head.", key)
