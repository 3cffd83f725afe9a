"""ViT and TimeSformer: three spellings of the same networks.

timm's ViT, the official TimeSformer (which grew out of timm's ViT, so the two share most names) and Hugging Face's
TimeSformer.
"""

from __future__ import annotations

from torch import Tensor

from videoformer_edu.pretrained.names.rename import rename

# (pattern, replacement) on whole keys, first match wins. `B` stands for a block's index.
TIMM_AND_OFFICIAL = {
    r"cls_token": "cls",
    r"pos_embed": "space_positions.table",
    r"time_embed": "time_positions.table",
    r"patch_embed\.proj\.(weight|bias)": r"patch_embed.proj.\1",
    r"blocks\.(\d+)\.temporal_norm1\.(.*)": r"blocks.\1.temporal_norm.\2",
    r"blocks\.(\d+)\.temporal_attn\.(qkv|proj)\.(.*)": r"blocks.\1.temporal_attention.attention.\2.\3",
    r"blocks\.(\d+)\.temporal_fc\.(.*)": r"blocks.\1.temporal_projection.\2",
    r"blocks\.(\d+)\.norm1\.(.*)": r"blocks.\1.{norm}.\2",
    r"blocks\.(\d+)\.attn\.(qkv|proj)\.(.*)": r"blocks.\1.{attention}.\2.\3",
    r"blocks\.(\d+)\.norm2\.(.*)": r"blocks.\1.mlp_norm.\2",
    r"blocks\.(\d+)\.mlp\.fc1\.(.*)": r"blocks.\1.mlp.0.\2",
    r"blocks\.(\d+)\.mlp\.fc2\.(.*)": r"blocks.\1.mlp.2.\2",
    r"(norm|head)\.(.*)": r"\1.\2",
}
_LAYER = r"timesformer\.encoder\.layer\.(\d+)\."
HUGGING_FACE = {
    r"timesformer\.embeddings\.cls_token": "cls",
    r"timesformer\.embeddings\.position_embeddings": "space_positions.table",
    r"timesformer\.embeddings\.time_embeddings": "time_positions.table",
    r"timesformer\.embeddings\.patch_embeddings\.projection\.(.*)": r"patch_embed.proj.\1",
    _LAYER + r"temporal_layernorm\.(.*)": r"blocks.\1.temporal_norm.\2",
    _LAYER + r"temporal_attention\.attention\.qkv\.(.*)": r"blocks.\1.temporal_attention.attention.qkv.\2",
    _LAYER + r"temporal_attention\.output\.dense\.(.*)": r"blocks.\1.temporal_attention.attention.proj.\2",
    _LAYER + r"temporal_dense\.(.*)": r"blocks.\1.temporal_projection.\2",
    _LAYER + r"layernorm_before\.(.*)": r"blocks.\1.{norm}.\2",
    _LAYER + r"attention\.attention\.qkv\.(.*)": r"blocks.\1.{attention}.qkv.\2",
    _LAYER + r"attention\.output\.dense\.(.*)": r"blocks.\1.{attention}.proj.\2",
    _LAYER + r"layernorm_after\.(.*)": r"blocks.\1.mlp_norm.\2",
    _LAYER + r"intermediate\.dense\.(.*)": r"blocks.\1.mlp.0.\2",
    _LAYER + r"output\.dense\.(.*)": r"blocks.\1.mlp.2.\2",
    r"timesformer\.layernorm\.(.*)": r"norm.\1",
    r"classifier\.(.*)": r"head.\1",
}


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict of ViT or TimeSformer -> one with our names and shapes."""
    rules = HUGGING_FACE if any(key.startswith("timesformer.") for key in state) else TIMM_AND_OFFICIAL
    divided = any("temporal_" in key for key in state)
    names = {"{norm}": "spatial_norm" if divided else "attention_norm",
             "{attention}": "spatial_attention.attention" if divided else "attention"}
    out = {}
    for key, value in rename(state, rules).items():
        for slot, word in names.items():
            key = key.replace(slot, word)
        is_table = key.endswith("_positions.table") and value.ndim == 3
        out[key] = value[0] if is_table else value  # (1, rows, d) -> (rows, d)
    return out
