"""ViViT: all four models as scenic names them (JAX), and model 1 as Hugging Face's port does, in both its spellings."""

from __future__ import annotations

import re

from torch import Tensor

from videoformer_edu.pretrained.names.rename import hugging_face_block, join_qkv, rename

HUGGING_FACE = {
    r"vivit\.embeddings\.cls_token": "encoder.cls",
    r"vivit\.embeddings\.position_embeddings": "encoder.positions.table",
    r"vivit\.embeddings\.patch_embeddings\.projection\.(.*)": r"tubelet_embed.proj.\1",
    **hugging_face_block(r"vivit\.(?:encoder\.layer|layers)\.(\d+)", r"encoder.blocks.\1"),
    r"vivit\.layernorm\.(.*)": r"encoder.norm.\1",
    r"classifier\.(.*)": r"head.\1",
}
# scenic's encoders are called Transformer, or SpatialTransformer and TemporalTransformer; in a key they come first.
ENCODERS = {"Transformer": "encoder", "SpatialTransformer": "spatial_encoder",
            "TemporalTransformer": "temporal_encoder"}
_BLOCK = r"(\w+)\.encoderblock_(\d+)\."
SCENIC = {
    r"embedding\.(.*)": r"tubelet_embed.proj.\1",
    r"(\w+)\.posembed_input\.pos_embedding": r"\1.positions.table",
    r"(\w+)\.encoder_norm\.(.*)": r"\1.norm.\2",
    _BLOCK + r"LayerNorm_0\.(.*)": r"\1.blocks.\2.attention_norm.\3",
    _BLOCK + r"LayerNorm_(?:1|mlp)\.(.*)": r"\1.blocks.\2.mlp_norm.\3",
    _BLOCK + r"LayerNorm_space\.(.*)": r"\1.blocks.\2.spatial_norm.\3",
    _BLOCK + r"LayerNorm_time\.(.*)": r"\1.blocks.\2.temporal_norm.\3",
    _BLOCK + r"MultiHeadDotProductAttention_0\.(.*)": r"\1.blocks.\2.attention.\3",
    _BLOCK + r"MultiHeadDotProductAttention_space\.(.*)": r"\1.blocks.\2.spatial_attention.attention.\3",
    _BLOCK + r"MultiHeadDotProductAttention_time\.(.*)": r"\1.blocks.\2.temporal_attention.attention.\3",
    _BLOCK + r"MlpBlock(?:_0)?\.Dense_0\.(.*)": r"\1.blocks.\2.mlp.0.\3",
    _BLOCK + r"MlpBlock(?:_0)?\.Dense_1\.(.*)": r"\1.blocks.\2.mlp.2.\3",
    r"output_projection\.(.*)": r"head.\1",
}
LEAVES = {"query.kernel": "q.weight", "key.kernel": "k.weight", "value.kernel": "v.weight", "out.kernel": "proj.weight",
          "query.bias": "q.bias", "key.bias": "k.bias", "value.bias": "v.bias", "out.bias": "proj.bias",
          "kernel": "weight", "scale": "weight"}


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict of ViViT -> one with our names and shapes."""
    if "embedding/kernel" in state:
        return join_qkv(rename(dict(_from_scenic(*item) for item in state.items()), SCENIC))
    return join_qkv(rename(state, HUGGING_FACE))


def _from_scenic(key: str, value: Tensor) -> tuple[str, Tensor]:
    """Names of leaves and encoders, and the shapes: JAX has the inputs of a linear map first, its outputs last."""
    if key.endswith("embedding/kernel"):
        value = value.permute(4, 3, 0, 1, 2)  # (t, h, w, c, d) -> (d, c, t, h, w)
    elif key.endswith("/out/kernel"):
        value = value.flatten(0, 1).T  # (head, e, d) -> (d, head*e)
    elif key.endswith("/kernel"):
        value = value.flatten(1).T  # (d, head, e) -> (head*e, d); a plain map (in, out) -> (out, in)
    elif key.endswith("/bias"):
        value = value.flatten()  # (head, e) -> (head*e)
    key = key.replace("/", ".")
    if key.split("_")[0] == "cls":
        return ENCODERS[key.partition("_")[2] or "Transformer"] + ".cls", value
    key = re.sub(r"^\w*Transformer(?=\.)", lambda name: ENCODERS.get(name[0], name[0]), key)
    for theirs, ours in LEAVES.items():
        if key.endswith(f".{theirs}"):
            return key.removesuffix(theirs) + ours, value
    return key, value
