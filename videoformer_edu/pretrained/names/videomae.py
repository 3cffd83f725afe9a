"""VideoMAE, fine-tuned and pretraining: Hugging Face's port (both spellings of its biases) and the official code."""

from __future__ import annotations

from torch import Tensor

from videoformer_edu.pretrained.names.rename import join_qkv, rename


def _hugging_face_block(theirs: str, ours: str) -> dict[str, str]:
    layer, block = theirs + r"\.(\d+)\.", ours + r".\1."
    return {
        layer + r"layernorm_before\.(.*)": block + r"attention_norm.\2",
        layer + r"attention\.attention\.([qkv])(?:uery|ey|alue)\.weight": block + r"attention.\2.weight",
        layer + r"attention\.attention\.(?:([qv])_bias|([qv])(?:uery|alue)\.bias)": block + r"attention.qkv.\2\3_bias",
        layer + r"attention\.output\.dense\.(.*)": block + r"attention.proj.\2",
        layer + r"layernorm_after\.(.*)": block + r"mlp_norm.\2",
        layer + r"intermediate\.dense\.(.*)": block + r"mlp.0.\2",
        layer + r"output\.dense\.(.*)": block + r"mlp.2.\2",
    }


def _official_block(theirs: str, ours: str) -> dict[str, str]:
    layer, block = theirs + r"\.(\d+)\.", ours + r".\1."
    return {
        layer + r"norm1\.(.*)": block + r"attention_norm.\2",
        layer + r"attn\.([qv])_bias": block + r"attention.qkv.\2_bias",
        layer + r"attn\.(qkv|proj)\.(.*)": block + r"attention.\2.\3",
        layer + r"norm2\.(.*)": block + r"mlp_norm.\2",
        layer + r"mlp\.fc1\.(.*)": block + r"mlp.0.\2",
        layer + r"mlp\.fc2\.(.*)": block + r"mlp.2.\2",
    }


_BOTH = {r"encoder_to_decoder\.weight": "to_decoder.weight",
         r"decoder\.norm\.(.*)": r"decoder_norm.\1",
         r"decoder\.head\.(.*)": r"head.\1",
         r"fc_norm\.(.*)": r"norm.\1"}
HUGGING_FACE = {
    r"videomae\.embeddings\.patch_embeddings\.projection\.(.*)": r"encoder.tubelet_embed.proj.\1",
    **_hugging_face_block(r"videomae\.encoder\.layer", "encoder.blocks"),
    **_hugging_face_block(r"decoder\.decoder_layers", "decoder_blocks"),
    r"videomae\.layernorm\.(.*)": r"norm.\1",
    r"classifier\.(.*)": r"head.\1",
    **_BOTH,
}
OFFICIAL = {
    r"(?:encoder\.)?patch_embed\.proj\.(.*)": r"encoder.tubelet_embed.proj.\1",
    **_official_block(r"(?:encoder\.)?blocks", "encoder.blocks"),
    **_official_block(r"decoder\.blocks", "decoder_blocks"),
    r"encoder\.norm\.(.*)": r"norm.\1",
    **_BOTH,
}


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict of VideoMAE -> one with our names and shapes."""
    hugging_face = any(key.startswith("videomae.") for key in state)
    return join_qkv(rename(state, HUGGING_FACE if hugging_face else OFFICIAL))
