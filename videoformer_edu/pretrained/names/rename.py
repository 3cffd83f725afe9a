"""Renaming by rules: the one mechanism that every family of checkpoints shares."""

from __future__ import annotations

import re

import torch
from torch import Tensor


def rename(state: dict[str, Tensor], rules: dict[str, str]) -> dict[str, Tensor]:
    """Each key through the first rule (pattern of the whole key -> replacement) that matches it.

    A key that no rule knows keeps its name; loading reports it later.
    """
    return {_rename(key, rules): value for key, value in state.items()}


def _rename(key: str, rules: dict[str, str]) -> str:
    for pattern, replacement in rules.items():
        if re.fullmatch(pattern, key):
            return re.sub(pattern, replacement, key)
    return key


def join_qkv(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Three maps `X.q.weight`, `X.k.weight`, `X.v.weight` (or biases) -> one `X.qkv.weight`, in the order q, k, v."""
    out = dict(state)
    for key in state:
        match = re.fullmatch(r"(.*\.)q\.(weight|bias)", key)
        parts = [f"{match[1]}{letter}.{match[2]}" for letter in "qkv"] if match else []
        if parts and all(part in state for part in parts):
            out[f"{match[1]}qkv.{match[2]}"] = torch.cat([out.pop(part) for part in parts])
    return out
