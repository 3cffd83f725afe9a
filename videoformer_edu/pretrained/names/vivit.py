"""ViViT, model 1: Hugging Face's port in both of its spellings (what it saves, and its modules since version 5)."""

from __future__ import annotations

from torch import Tensor

from videoformer_edu.pretrained.names.rename import join_qkv, rename

_LAYER = r"vivit\.(?:encoder\.layer|layers)\.(\d+)\."
HUGGING_FACE = {
    r"vivit\.embeddings\.cls_token": "encoder.cls",
    r"vivit\.embeddings\.position_embeddings": "encoder.positions.table",
    r"vivit\.embeddings\.patch_embeddings\.projection\.(.*)": r"tubelet_embed.proj.\1",
    _LAYER + r"layernorm_before\.(.*)": r"encoder.blocks.\1.attention_norm.\2",
    _LAYER + r"attention\.(?:attention\.)?([qkv])(?:uery|ey|alue|_proj)\.(.*)": r"encoder.blocks.\1.attention.\2.\3",
    _LAYER + r"attention\.(?:output\.dense|o_proj)\.(.*)": r"encoder.blocks.\1.attention.proj.\2",
    _LAYER + r"layernorm_after\.(.*)": r"encoder.blocks.\1.mlp_norm.\2",
    _LAYER + r"(?:intermediate\.dense|mlp\.fc1)\.(.*)": r"encoder.blocks.\1.mlp.0.\2",
    _LAYER + r"(?:output\.dense|mlp\.fc2)\.(.*)": r"encoder.blocks.\1.mlp.2.\2",
    r"vivit\.layernorm\.(.*)": r"encoder.norm.\1",
    r"classifier\.(.*)": r"head.\1",
}


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict of ViViT -> one with our names and shapes."""
    out = join_qkv(rename(state, HUGGING_FACE))
    for key in ("encoder.cls", "encoder.positions.table"):
        if key in out and out[key].ndim == 3:
            out[key] = out[key][0]  # (1, rows, d) -> (rows, d)
    return out
