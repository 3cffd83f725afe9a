"""VideoMAE, fine-tuned and pretraining: Hugging Face's port (both spellings of its biases) and the official code."""

from __future__ import annotations

from torch import Tensor

from videoformer_edu.pretrained.names.rename import hugging_face_block, join_qkv, official_block, rename

_BOTH = {r"encoder_to_decoder\.weight": "to_decoder.weight",
         r"decoder\.norm\.(.*)": r"decoder_norm.\1",
         r"decoder\.head\.(.*)": r"head.\1",
         r"fc_norm\.(.*)": r"norm.\1"}
_LAYER, _DECODER = r"videomae\.encoder\.layer\.(\d+)", r"decoder\.decoder_layers\.(\d+)"
HUGGING_FACE = {
    r"videomae\.embeddings\.patch_embeddings\.projection\.(.*)": r"encoder.tubelet_embed.proj.\1",
    _LAYER + r"\.attention\.attention\.([qv])(?:uery|alue)\.bias": r"encoder.blocks.\1.attention.qkv.\2_bias",
    _DECODER + r"\.attention\.attention\.([qv])(?:uery|alue)\.bias": r"decoder_blocks.\1.attention.qkv.\2_bias",
    **hugging_face_block(_LAYER, r"encoder.blocks.\1"),
    **hugging_face_block(_DECODER, r"decoder_blocks.\1"),
    r"videomae\.layernorm\.(.*)": r"norm.\1",
    r"classifier\.(.*)": r"head.\1",
    **_BOTH,
}
OFFICIAL = {
    r"(?:encoder\.)?patch_embed\.proj\.(.*)": r"encoder.tubelet_embed.proj.\1",
    **official_block(r"(?:encoder\.)?blocks\.(\d+)", r"encoder.blocks.\1"),
    **official_block(r"decoder\.blocks\.(\d+)", r"decoder_blocks.\1"),
    r"encoder\.norm\.(.*)": r"norm.\1",
    **_BOTH,
}


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A published state dict of VideoMAE -> one with our names and shapes."""
    hugging_face = any(key.startswith("videomae.") for key in state)
    return join_qkv(rename(state, HUGGING_FACE if hugging_face else OFFICIAL))
