"""C3D as mmaction names it (`{"state_dict": ...}` in its .pth files)."""

from __future__ import annotations

from torch import Tensor

from videoformer_edu.pretrained.names.rename import rename


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """mmaction's state dict of C3D -> one with our names."""
    return rename(state, {r"backbone\.(conv\d[ab])\.conv\.(.*)": r"convolutions.\1.\2",
                          r"backbone\.(fc[67]\..*)": r"\1",
                          r"cls_head\.fc_cls\.(.*)": r"head.\1"})
