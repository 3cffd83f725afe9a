"""`load_pretrained(model, source)`: published weights into our models, whole or not at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from videoformer_edu.models import TimeSformer, VideoMAE, VideoMAEPretraining, ViViT
from videoformer_edu.positions import (
    JointPositions,
    SpacePositions,
    TimePositions,
    resize_joint,
    resize_space,
    resize_time,
)
from videoformer_edu.pretrained.config import disagreements
from videoformer_edu.pretrained.names import stated_by_shapes, to_our_names
from videoformer_edu.pretrained.weight_files import CheckpointError, find_file, read_config, read_file
from videoformer_edu.tokens import Grid

TABLES = (SpacePositions, TimePositions, JointPositions)


@dataclass(frozen=True)
class LoadReport:
    """What happened besides plain copying: position tables that were resized, heads that were kept."""

    loaded: int
    resized: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    def __str__(self) -> str:
        notes = [f"{self.loaded} tensors loaded"]
        notes += [f"resized: {', '.join(self.resized)}"] if self.resized else []
        notes += [f"kept as they were: {', '.join(self.kept)}"] if self.kept else []
        return "; ".join(notes)


def load_pretrained(model: nn.Module, source: str | Path | dict[str, Tensor], *,
                    new_head: bool = False) -> LoadReport:
    """Load published weights into `model`, in place; `build(name, pretrained=source)` makes the model as well.

    source: a state dict, a file (.safetensors first; .bin, .pt, .pth and .pyth are read with `weights_only=True`; flax
    checkpoints), a folder that holds `model.safetensors`, `pytorch_model.bin` or one such file under any name, or the
    name of a Hugging Face hub repository with one of the two ("facebook/timesformer-base-finetuned-k400"; downloaded
    once, then cached; HF_HUB_OFFLINE is respected).
    new_head: keep the model's own classifier, for another set of classes.

    Raises CheckpointError, with the model untouched, if a tensor is missing, unknown or of another shape, or if the
    `config.json` beside the file says that the model was another one. Position tables of another size are resized (2-D
    bicubic in space, 1-D linear in time) and reported.
    """
    if isinstance(source, dict):
        published, stated = source, {}
    else:
        file = find_file(source)
        published, stated = read_file(file), read_config(file)
    state = to_our_names(published, model)
    target = model.state_dict()
    kept: tuple[str, ...] = ()
    if new_head:
        kept = tuple(key for key in target if key.startswith("head."))
        state = {k: v for k, v in state.items() if not k.startswith("head.")} | {k: target[k] for k in kept}
    missing, unexpected = sorted(target.keys() - state.keys()), sorted(state.keys() - target.keys())
    resized = () if missing or unexpected else _resize_tables(model, state)
    other = [f"{k}: {tuple(state[k].shape)} in the checkpoint, {tuple(target[k].shape)} in the model"
             for k in target.keys() & state.keys() if state[k].shape != target[k].shape]
    if missing or unexpected or other:
        raise CheckpointError(_explain(model, missing, unexpected, sorted(other)), missing=missing,
                              unexpected=unexpected, other_shape=sorted(other))
    if differ := disagreements(model, stated | stated_by_shapes(published)):
        raise CheckpointError(f"the config.json beside the weights, or their shapes, tell of another "
                              f"{type(model).__name__}; nothing was loaded: {'; '.join(differ)}. Build it with the "
                              "numbers there: clips of other sizes are taken as they come")
    model.load_state_dict(state)
    return LoadReport(len(target) - len(kept), resized, kept)


def _resize_tables(model: nn.Module, state: dict[str, Tensor]) -> tuple[str, ...]:
    """Bring position tables of another size to the model's, in `state`; -> the names that changed."""
    resized = []
    for name, module in model.named_modules():
        key = f"{name}.table"
        table = state.get(key)
        if table is None or table.ndim != 2 or not isinstance(module, TABLES):
            continue
        if table.shape[0] == module.table.shape[0]:
            continue
        if isinstance(module, TimePositions):
            state[key] = resize_time(table, module.table.shape[0])
        elif isinstance(module, JointPositions):
            cls, patches = table[: int(module.cls)], table[int(module.cls):]
            old = _joint_grid(key, len(patches), module.grid)
            state[key] = torch.cat([cls, resize_joint(patches, old, module.grid)])
        else:
            side = math.isqrt(table.shape[0] - module.cls)
            if side**2 + module.cls != table.shape[0]:
                raise CheckpointError(f"{key} has {table.shape[0]} rows, which is not CLS and a square of patches")
            cls, patches = table[: int(module.cls)], table[int(module.cls):]
            state[key] = torch.cat([cls, resize_space(patches, (side, side), module.size)])
        resized.append(key)
    return tuple(resized)


def _joint_grid(key: str, rows: int, model: Grid) -> Grid:
    """The grid that a checkpoint's joint table was made for. Its length alone tells only one changed axis."""
    side = math.isqrt(rows // model.t)
    longer = [Grid(rows // model.n, model.h, model.w)] if rows % model.n == 0 else []
    larger = [Grid(model.t, side, side)] if rows == model.t * side**2 and side else []
    if len(longer + larger) != 1:
        guess = "may come from" if longer else "fits neither"
        raise CheckpointError(
            f"{key} has {rows} rows, which {guess} another number of steps (of {model.h} x {model.w} patches) "
            f"{'or' if longer else 'nor'} another image size (in {model.t} steps); build the model for the frames and "
            "the image size of the checkpoint: it takes other clips as they come and resizes the table by itself")
    return (longer + larger)[0]


def _explain(model: nn.Module, missing: list[str], unexpected: list[str], other: list[str]) -> str:
    def some(names: list[str]) -> str:
        return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")

    parts = [f"this checkpoint does not belong to this {type(model).__name__}; nothing was loaded"]
    parts += [f"{len(missing)} tensors of the model are not in it: {some(missing)}"] if missing else []
    parts += [f"{len(unexpected)} of its tensors are unknown to the model: {some(unexpected)}"] if unexpected else []
    parts += [f"{len(other)} have another shape: {some(other)}"] if other else []
    if advice := _advice(model, missing, unexpected, other):
        parts.append(advice)
    return "; ".join(parts)


def _advice(model: nn.Module, missing: list[str], unexpected: list[str], other: list[str]) -> str:
    """What such a difference comes from most often, or ""."""
    if len(missing) == len(model.state_dict()):
        return "not one of its names is known here: weights of another network, or of another implementation"
    if isinstance(model, VideoMAE) and "mask_token" in unexpected:
        return ("it comes from pretraining and has a decoder in place of a classifier: load it into a "
                "VideoMAEPretraining, then model.encoder.load_state_dict(pretraining.encoder.state_dict())")
    if isinstance(model, VideoMAEPretraining) and "mask_token" in missing:
        return "it is fine-tuned and has a classifier in place of a decoder: load it into a VideoMAE"
    if (missing or other) and all(name.startswith("head.") for name in missing + other):
        return "another number of classes? pass new_head=True or build the model with classes="
    differ = " ".join(missing + unexpected)  # the first block, unless it is only the depth that differs
    if isinstance(model, TimeSformer) and "blocks.0.temporal_" in differ:
        return "divided attention has temporal weights, joint and space_only have none: check attention="
    if isinstance(model, ViViT) and ("blocks.0." in differ or "encoder.cls" in differ):
        return "each of ViViT's four models has weights of its own: check variant= and temporal_depth="
    return ""
