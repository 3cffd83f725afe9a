"""What the `config.json` of Hugging Face says of a model, and what it would say of ours: the two must agree.

Most of it the shapes of the tensors tell again. Not so heads, activation, epsilon and the size that fixed positions
were made for: with others the weights load just as well and the logits are wrong.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from videoformer_edu.attention.core import Attention
from videoformer_edu.models import TimeSformer, VideoMAE, VideoMAEPretraining, ViViT

# Spellings of the same function, up to rounding.
ACTIVATIONS = {"gelu_new": "gelu_fast", "gelu_pytorch_tanh": "gelu_fast", "gelu_python": "gelu"}


def disagreements(model: nn.Module, stated: dict) -> list[str]:
    """"num_attention_heads is 6 there, 3 in this model", one for each entry that is stated, known and not the same."""
    if "model_type" not in stated or type(model) not in CONFIGS:
        return []
    ours = CONFIGS[type(model)](model)
    if stated["model_type"] != ours["model_type"]:
        return [f"model_type is {stated['model_type']} there, {ours['model_type']} in this model"]
    return [f"{key} is {stated[key]} there, {value} in this model" for key, value in ours.items()
            if key in stated and _plain(stated[key]) != _plain(value)]


def _plain(value):
    if isinstance(value, list | tuple):
        return tuple(value)
    return ACTIVATIONS.get(value, value) if isinstance(value, str) else value


def _encoder(blocks: nn.ModuleList) -> dict:
    """What every block has, read off the first one."""
    numbers, norm = block_numbers(blocks), next(m for m in blocks[0].modules() if isinstance(m, nn.LayerNorm))
    gelu = next(module for module in blocks[0].modules() if isinstance(module, nn.GELU))
    return {"num_hidden_layers": numbers["depth"], "num_attention_heads": numbers["heads"],
            "hidden_size": numbers["width"], "intermediate_size": numbers["hidden width of the MLP"],
            "hidden_act": "gelu_fast" if gelu.approximate == "tanh" else "gelu", "layer_norm_eps": norm.eps}


def block_numbers(blocks: nn.ModuleList) -> dict[str, int]:
    """Width, depth and heads of a stack of blocks, and how wide its MLPs are inside."""
    heads = next(module.heads for module in blocks[0].modules() if isinstance(module, Attention))
    hidden, width = blocks[0].mlp[0].weight.shape
    return {"width": width, "depth": len(blocks), "heads": heads, "hidden width of the MLP": hidden}


def _timesformer(model: TimeSformer) -> dict:
    names = {"divided": "divided_space_time", "joint": "joint_space_time"}
    return {"model_type": "timesformer", "attention_type": names.get(model.attention, model.attention),
            "patch_size": model.patch_embed.patch_size, **_encoder(model.blocks)}


def _vivit(model: ViViT) -> dict:
    encoder = model.spatial_encoder if model.variant == "factorised_encoder" else model.encoder
    return {"model_type": "vivit", "tubelet_size": model.tubelet_embed.kernel, **_encoder(encoder.blocks)}


def _videomae_encoder(model: VideoMAE | VideoMAEPretraining) -> dict:
    """Its positions are fixed: built for another size, the same place would have another code."""
    encoder = model.encoder
    tubelet, patch, _ = encoder.tubelet_embed.kernel
    return {"model_type": "videomae", "tubelet_size": tubelet, "patch_size": patch,
            "num_frames": encoder.grid.t * tubelet, "image_size": encoder.grid.h * patch, **_encoder(encoder.blocks)}


def _videomae_pretraining(model: VideoMAEPretraining) -> dict:
    decoder = block_numbers(model.decoder_blocks)
    return {**_videomae_encoder(model), "use_mean_pooling": False, "norm_pix_loss": model.standardised,
            "decoder_num_hidden_layers": decoder["depth"], "decoder_num_attention_heads": decoder["heads"],
            "decoder_hidden_size": decoder["width"], "decoder_intermediate_size": decoder["hidden width of the MLP"]}


CONFIGS: dict[type[nn.Module], Callable[[nn.Module], dict]] = {
    TimeSformer: _timesformer,
    ViViT: _vivit,
    VideoMAE: lambda model: {**_videomae_encoder(model), "use_mean_pooling": True},
    VideoMAEPretraining: _videomae_pretraining,
}
