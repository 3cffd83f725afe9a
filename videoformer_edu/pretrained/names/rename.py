"""Renaming by rules: the one mechanism that every family of checkpoints shares."""

from __future__ import annotations

import re

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
