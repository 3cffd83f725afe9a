"""Renaming by rules, and the two spellings of a transformer block that most published checkpoints share."""

from __future__ import annotations

import re

import torch
from torch import Tensor

Rules = dict[str, str]  # pattern of a whole key -> replacement


def rename(state: dict[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    """Each key through the first rule that matches it. A key that no rule knows keeps its name: loading reports it."""
    return {_rename(key, rules): value for key, value in state.items()}


def _rename(key: str, rules: Rules) -> str:
    for pattern, replacement in rules.items():
        if re.fullmatch(pattern, key):
            return re.sub(pattern, replacement, key)
    return key


def official_block(theirs: str, ours: str, *, norm: str = "attention_norm", attention: str = "attention") -> Rules:
    """A block as timm spells it, and the official codes that grew out of timm. `theirs` has one group, `ours` a \\1."""
    return {
        theirs + r"\.norm1\.(.*)": ours + rf".{norm}.\2",
        theirs + r"\.attn\.([qv])_bias": ours + rf".{attention}.qkv.\2_bias",
        theirs + r"\.attn\.(.*)": ours + rf".{attention}.\2",
        theirs + r"\.norm2\.(.*)": ours + r".mlp_norm.\2",
        theirs + r"\.mlp\.(?:fc1|0)\.(.*)": ours + r".mlp.0.\2",
        theirs + r"\.mlp\.(?:fc2|3)\.(.*)": ours + r".mlp.2.\2",
    }


def hugging_face_block(theirs: str, ours: str, *, norm: str = "attention_norm", attention: str = "attention") -> Rules:
    """A block as Hugging Face spells it, before and since version 5. `theirs` has one group, `ours` a \\1."""
    inside = theirs + r"\.attention\.(?:attention\.)?"
    return {
        theirs + r"\.layernorm_before\.(.*)": ours + rf".{norm}.\2",
        inside + r"([qv])_bias": ours + rf".{attention}.qkv.\2_bias",
        inside + r"([qkv])(?:uery|ey|alue|_proj)\.(.*)": ours + rf".{attention}.\2.\3",
        inside + r"qkv\.(.*)": ours + rf".{attention}.qkv.\2",
        theirs + r"\.attention\.(?:output\.dense|o_proj)\.(.*)": ours + rf".{attention}.proj.\2",
        theirs + r"\.layernorm_after\.(.*)": ours + r".mlp_norm.\2",
        theirs + r"\.(?:intermediate\.dense|mlp\.fc1)\.(.*)": ours + r".mlp.0.\2",
        theirs + r"\.(?:output\.dense|mlp\.fc2)\.(.*)": ours + r".mlp.2.\2",
    }


def join_qkv(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Three maps `X.q.weight`, `X.k.weight`, `X.v.weight` (or biases) -> one `X.qkv.weight`, in the order q, k, v."""
    out = dict(state)
    for key in state:
        match = re.fullmatch(r"(.*\.)q\.(weight|bias)", key)
        parts = [f"{match[1]}{letter}.{match[2]}" for letter in "qkv"] if match else []
        if parts and all(part in state for part in parts):
            out[f"{match[1]}qkv.{match[2]}"] = torch.cat([out.pop(part) for part in parts])
    return out
