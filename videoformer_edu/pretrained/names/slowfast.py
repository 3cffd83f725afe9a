"""SlowFast as pytorchvideo names it, and as the official code does; both save `{"model_state": ...}` in .pyth files."""

from __future__ import annotations

import re

from torch import Tensor

_PATHWAYS = ("slow", "fast")
_CONV = {"conv": 0, "norm": 1, "": 0, "_bn": 1, "bn": 1}
_BRANCH = {"a": 0, "b": 1, "c": 2}


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of SlowFast -> one with our names: pytorchvideo's, whose block 0 is the stem and 1 to 4 the stages,
    or the official code's (facebookresearch/SlowFast), whose s1 is the stem and s2 to s5 the stages."""
    official = "s1.pathway0_stem.conv.weight" in state
    return {(_official if official else _pytorchvideo)(key): value for key, value in state.items()}


def _pytorchvideo(key: str) -> str:
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


def _official(key: str) -> str:
    if match := re.fullmatch(r"s(\d)_fuse\.(?:conv_f2s|(bn))\.(.*)", key):
        return f"laterals.{int(match[1]) - 1}.{_CONV[match[2] or '']}.{match[3]}"
    if match := re.fullmatch(r"s1\.pathway([01])_stem\.(conv|bn)\.(.*)", key):
        return f"{_PATHWAYS[int(match[1])]}_stem.0.{_CONV[match[2]]}.{match[3]}"
    if match := re.fullmatch(r"s(\d)\.pathway([01])_res(\d+)\.branch(?:1|2\.([abc]))(|_bn)\.(.*)", key):
        part = f"body.{_BRANCH[match[4]]}" if match[4] else "shortcut"
        return f"{_PATHWAYS[int(match[2])]}_stages.{int(match[1]) - 2}.{match[3]}.{part}.{_CONV[match[5]]}.{match[6]}"
    return re.sub(r"^head\.projection\.", "head.", key)
