"""MViT, versions 1 and 2: torchvision's spelling."""

from __future__ import annotations

import torch
from torch import Tensor

from videoformer_edu.pretrained.names.rename import rename

_BLOCK = r"blocks\.(\d+)\."
TORCHVISION = {
    r"conv_proj\.(.*)": r"embed.proj.\1",
    r"pos_encoding\.class_token": "cls",
    r"pos_encoding\.temporal_pos": "time_positions.table",
    _BLOCK + r"norm1\.(.*)": r"blocks.\1.attention_norm.\2",
    _BLOCK + r"attn\.qkv\.(.*)": r"blocks.\1.attention.qkv.\2",
    _BLOCK + r"attn\.project\.0\.(.*)": r"blocks.\1.attention.proj.\2",
    _BLOCK + r"attn\.pool_([qkv])\.pool\.(.*)": r"blocks.\1.attention.pool_\2.conv.\3",
    _BLOCK + r"attn\.pool_([qkv])\.norm_act\.0\.(.*)": r"blocks.\1.attention.pool_\2.norm.\3",
    _BLOCK + r"attn\.rel_pos_([thw])": r"blocks.\1.attention.relative.\2.table",
    _BLOCK + r"norm2\.(.*)": r"blocks.\1.mlp_norm.\2",
    _BLOCK + r"mlp\.0\.(.*)": r"blocks.\1.mlp.0.\2",
    _BLOCK + r"mlp\.3\.(.*)": r"blocks.\1.mlp.2.\2",
    _BLOCK + r"project\.(.*)": r"blocks.\1.{skip}.\2",
    r"head\.1\.(.*)": r"head.\1",
}


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict of MViT -> one with our names and shapes."""
    skip = "attention_skip" if any(".rel_pos_" in key for key in state) else "mlp_skip"  # version 2 or 1
    out = {key.replace("{skip}", skip): value for key, value in rename(state, TORCHVISION).items()}
    if "cls" in out and out["cls"].ndim == 1:
        out["cls"] = out["cls"][None, None]  # (d,) -> (1, 1, d)
    cls, places = "pos_encoding.class_pos", "pos_encoding.spatial_pos"
    if cls in out and places in out:
        out["space_positions.table"] = torch.cat([out.pop(cls)[None], out.pop(places)])
    return out
