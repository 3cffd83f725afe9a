"""MViT, versions 1 and 2: torchvision's spelling, the official one (facebookresearch/SlowFast) and pytorchvideo's.

pytorchvideo's model gives logits that are 2e-4 off, on the same weights: the norms behind its poolings have eps 1e-5,
where the code that trained them has 1e-6.
"""

from __future__ import annotations

import torch
from torch import Tensor

from videoformer_edu.pretrained.names.rename import join_qkv, official_block, rename

_BLOCK = r"blocks\.(\d+)\."
TORCHVISION = {
    r"conv_proj\.(.*)": r"embed.proj.\1",
    r"pos_encoding\.class_token": "cls",
    r"pos_encoding\.temporal_pos": "time_positions.table",
    _BLOCK + r"attn\.project\.0\.(.*)": r"blocks.\1.attention.proj.\2",
    _BLOCK + r"attn\.pool_([qkv])\.pool\.(.*)": r"blocks.\1.attention.pool_\2.conv.\3",
    _BLOCK + r"attn\.pool_([qkv])\.norm_act\.0\.(.*)": r"blocks.\1.attention.pool_\2.norm.\3",
    r"head\.1\.(.*)": r"head.\1",
}
OFFICIAL = {  # pytorchvideo's names differ outside of the blocks alone
    r"patch_embed\.(?:proj|patch_model)\.(.*)": r"embed.proj.\1",
    r"(?:cls_positional_encoding\.)?cls_token": "cls",
    r"(?:cls_positional_encoding\.)?pos_embed_temporal": "time_positions.table",
    r"(?:cls_positional_encoding\.)?pos_embed_class": "pos_encoding.class_pos",
    r"(?:cls_positional_encoding\.)?pos_embed_spatial": "pos_encoding.spatial_pos",
    _BLOCK + r"attn\.pool_([qkv])\.(.*)": r"blocks.\1.attention.pool_\2.conv.\3",
    _BLOCK + r"attn\.norm_([qkv])\.(.*)": r"blocks.\1.attention.pool_\2.norm.\3",
    r"norm_embed\.(.*)": r"norm.\1",
    r"head\.(?:projection|proj)\.(.*)": r"head.\1",
}


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict of MViT -> one with our names.

    Official checkpoints exist with one map for q, k and v and with three; both are read.
    """
    skip = "attention_skip" if any(".rel_pos_" in key for key in state) else "mlp_skip"  # version 2 or 1
    rules = TORCHVISION if "conv_proj.weight" in state else OFFICIAL
    out = rename(join_qkv(state), rules | {
        _BLOCK + r"attn\.rel_pos_([thw])": r"blocks.\1.attention.relative.\2.table",
        _BLOCK + r"proj(?:ect)?\.(.*)": rf"blocks.\1.{skip}.\2",
        **official_block(r"blocks\.(\d+)", r"blocks.\1")})
    cls, places = "pos_encoding.class_pos", "pos_encoding.spatial_pos"
    if cls in out and places in out:
        width = out[places].shape[-1]
        out["space_positions.table"] = torch.cat([out.pop(cls).reshape(1, width), out.pop(places).reshape(-1, width)])
    return out
