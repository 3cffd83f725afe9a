"""MViT, versions 1 and 2: torchvision's spelling and the official one (facebookresearch/SlowFast)."""

from __future__ import annotations

import torch
from torch import Tensor

from videoformer_edu.pretrained.names.rename import join_qkv, rename

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
OFFICIAL = {
    r"patch_embed\.proj\.(.*)": r"embed.proj.\1",
    r"cls_token": "cls",
    r"pos_embed_temporal": "time_positions.table",
    r"pos_embed_class": "pos_encoding.class_pos",
    r"pos_embed_spatial": "pos_encoding.spatial_pos",
    _BLOCK + r"norm1\.(.*)": r"blocks.\1.attention_norm.\2",
    _BLOCK + r"attn\.(qkv|proj)\.(.*)": r"blocks.\1.attention.\2.\3",
    _BLOCK + r"attn\.pool_([qkv])\.(.*)": r"blocks.\1.attention.pool_\2.conv.\3",
    _BLOCK + r"attn\.norm_([qkv])\.(.*)": r"blocks.\1.attention.pool_\2.norm.\3",
    _BLOCK + r"attn\.rel_pos_([thw])": r"blocks.\1.attention.relative.\2.table",
    _BLOCK + r"norm2\.(.*)": r"blocks.\1.mlp_norm.\2",
    _BLOCK + r"mlp\.fc1\.(.*)": r"blocks.\1.mlp.0.\2",
    _BLOCK + r"mlp\.fc2\.(.*)": r"blocks.\1.mlp.2.\2",
    _BLOCK + r"proj\.(.*)": r"blocks.\1.{skip}.\2",
    r"head\.projection\.(.*)": r"head.\1",
}
TABLES = ("time_positions.table", "pos_encoding.class_pos", "pos_encoding.spatial_pos")


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict of MViT -> one with our names and shapes.

    Official checkpoints exist with one map for q, k and v and with three; both are read.
    """
    skip = "attention_skip" if any(".rel_pos_" in key for key in state) else "mlp_skip"  # version 2 or 1
    rules = TORCHVISION if any(key.startswith("conv_proj.") for key in state) else OFFICIAL
    out = {key.replace("{skip}", skip): value for key, value in rename(join_qkv(state), rules).items()}
    out |= {key: out[key][0] for key in TABLES if key in out and out[key].ndim == 3}  # (1, rows, d) -> (rows, d)
    if "cls" in out and out["cls"].ndim == 1:
        out["cls"] = out["cls"][None, None]  # (d,) -> (1, 1, d)
    cls, places = "pos_encoding.class_pos", "pos_encoding.spatial_pos"
    if cls in out and places in out:
        out["space_positions.table"] = torch.cat([out.pop(cls).reshape(1, -1), out.pop(places)])
    return out
