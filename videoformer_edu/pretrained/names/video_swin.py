"""Video Swin: torchvision's `swin3d_*` and the official checkpoints; and torchvision's 2-D Swin, for inflation.

Both put patch merging behind a stage; ours stands before the next one. The index of relative places is a buffer in
their checkpoints and computed in ours.
"""

from __future__ import annotations

import re

from torch import Tensor

from videoformer_edu.pretrained.names.rename import official_block, rename

_ENDS = {
    r"patch_embed\.proj\.(.*)": r"tubelet_embed.proj.\1",
    r"patch_embed\.norm\.(.*)": r"tubelet_norm.\1",
    r"cls_head\.fc_cls\.(.*)": r"head.\1",
}
BLOCK = official_block(r"(stages\.\d+\.blocks\.\d+)", r"\1")


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict of Video Swin (or of torchvision's 2-D Swin) -> one with our names."""
    state = {key.removeprefix("backbone."): value for key, value in state.items()
             if not key.endswith("relative_position_index")}
    first = 0
    if "features.0.0.weight" in state:  # the 2-D Swin counts its patch embedding as a feature
        first = 1
        state = rename(state, {r"features\.0\.0\.(.*)": r"patch_embed.proj.\1",
                               r"features\.0\.2\.(.*)": r"patch_embed.norm.\1"})
    return rename({_stage(key, first): value for key, value in state.items()}, _ENDS | BLOCK)


def _stage(key: str, first: int) -> str:
    """`features.2i.j` or `layers.i.blocks.j` -> `stages.i.blocks.j`; merging behind stage i -> before stage i + 1."""
    if match := re.fullmatch(r"features\.(\d+)\.(\d+\..*|(?:norm|reduction)\..*)", key):
        number, rest = int(match[1]) - first, match[2]
        return f"stages.{number // 2}.blocks.{rest}" if number % 2 == 0 else f"stages.{number // 2 + 1}.merging.{rest}"
    if match := re.fullmatch(r"layers\.(\d+)\.downsample\.(.*)", key):
        return f"stages.{int(match[1]) + 1}.merging.{match[2]}"
    return re.sub(r"^layers\.(\d+)\.blocks\.", r"stages.\1.blocks.", key)
