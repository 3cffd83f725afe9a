"""ViT and TimeSformer: three spellings of the same networks.

timm's ViT, the official TimeSformer (which grew out of timm's ViT, so the two share most names) and Hugging Face's
TimeSformer.
"""

from __future__ import annotations

from torch import Tensor

from videoformer_edu.pretrained.names.rename import hugging_face_block, official_block, rename

OFFICIAL = {
    r"cls_token": "cls",
    r"pos_embed": "space_positions.table",
    r"time_embed": "time_positions.table",
    r"blocks\.(\d+)\.temporal_norm1\.(.*)": r"blocks.\1.temporal_norm.\2",
    r"blocks\.(\d+)\.temporal_attn\.(.*)": r"blocks.\1.temporal_attention.attention.\2",
    r"blocks\.(\d+)\.temporal_fc\.(.*)": r"blocks.\1.temporal_projection.\2",
}
_LAYER = r"timesformer\.encoder\.layer\.(\d+)"
HUGGING_FACE = {
    r"timesformer\.embeddings\.cls_token": "cls",
    r"timesformer\.embeddings\.position_embeddings": "space_positions.table",
    r"timesformer\.embeddings\.time_embeddings": "time_positions.table",
    r"timesformer\.embeddings\.patch_embeddings\.projection\.(.*)": r"patch_embed.proj.\1",
    _LAYER + r"\.temporal_layernorm\.(.*)": r"blocks.\1.temporal_norm.\2",
    _LAYER + r"\.temporal_attention\.attention\.qkv\.(.*)": r"blocks.\1.temporal_attention.attention.qkv.\2",
    _LAYER + r"\.temporal_attention\.output\.dense\.(.*)": r"blocks.\1.temporal_attention.attention.proj.\2",
    _LAYER + r"\.temporal_dense\.(.*)": r"blocks.\1.temporal_projection.\2",
    r"timesformer\.layernorm\.(.*)": r"norm.\1",
    r"classifier\.(.*)": r"head.\1",
}


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict of ViT or TimeSformer -> one with our names."""
    divided = any("temporal_" in key for key in state)
    own = dict(norm="spatial_norm", attention="spatial_attention.attention") if divided else {}
    if any(key.startswith("timesformer.") for key in state):
        return rename(state, HUGGING_FACE | hugging_face_block(_LAYER, r"blocks.\1", **own))
    return rename(state, OFFICIAL | official_block(r"blocks\.(\d+)", r"blocks.\1", **own))
