"""`load_pretrained(model, source)`: published weights into our models, whole or not at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from videoformer_edu.positions import (
    JointPositions,
    SpacePositions,
    TimePositions,
    resize_joint,
    resize_space,
    resize_time,
)
from videoformer_edu.pretrained.names import to_our_names
from videoformer_edu.tokens import Grid

TABLES = (SpacePositions, TimePositions, JointPositions)
FILES = ("model.safetensors", "pytorch_model.bin")  # what a folder or a hub repository is searched for, in this order


class CheckpointError(ValueError):
    """The checkpoint cannot be read or does not belong to this model.

    Where names do not fit, `missing` and `unexpected` list all of them and `other_shape` the tensors of another shape.
    """

    def __init__(self, message: str, *, missing: list[str] = (), unexpected: list[str] = (),
                 other_shape: list[str] = ()):
        super().__init__(message)
        self.missing, self.unexpected, self.other_shape = tuple(missing), tuple(unexpected), tuple(other_shape)


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

    source: a state dict, a file (.safetensors first; .bin, .pt, .pth, .pyth are read with `weights_only=True`), a
    folder that holds one, or the name of a Hugging Face hub repository ("facebook/timesformer-base-finetuned-k400";
    downloaded once, then cached; HF_HUB_OFFLINE is respected).
    new_head: keep the model's own classifier, for another set of classes.

    Raises CheckpointError, with the model untouched, if a tensor is missing, unknown or of another shape. Position
    tables of another size are resized (2-D bicubic in space, 1-D linear in time) and reported.
    """
    state = to_our_names(source if isinstance(source, dict) else read_state(source), model)
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
    model.load_state_dict(state)
    return LoadReport(len(target) - len(kept), resized, kept)


def read_state(source: str | Path) -> dict[str, Tensor]:
    """The state dict in a file, a folder or a hub repository, unwrapped from `model_state`, `state_dict` or `model`."""
    path = _find(source)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file can fail anywhere in the readers
        raise CheckpointError(f"{path.name} is not a readable checkpoint ({type(error).__name__}: {error}); "
                              "it may be truncated: download it again") from error
    for wrapper in ("model_state", "state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(f"{path.name} holds no state dict (names -> tensors) but a {type(state).__name__}")
    return state


def _find(source: str | Path) -> Path:
    path = Path(source)
    if path.is_file():
        return path
    if path.is_dir():
        for name in FILES:
            if (path / name).is_file():
                return path / name
        raise CheckpointError(f"the folder {path} holds none of {', '.join(FILES)}")
    if isinstance(source, Path) or str(source).count("/") != 1 or str(source).startswith((".", "/")):
        raise CheckpointError(f"{source} is neither a file nor a folder, nor a hub name such as "
                              "facebook/timesformer-base-finetuned-k400")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        for name in FILES:
            try:
                return Path(hf_hub_download(str(source), name))
            except LocalEntryNotFoundError:
                raise
            except EntryNotFoundError:
                continue
    except Exception as error:
        raise CheckpointError(f"could not fetch {source} ({type(error).__name__}); without a network pass a local "
                              "file or folder, or fetch it once while online") from error
    raise CheckpointError(f"{source} holds none of {', '.join(FILES)}")


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
    if any(name.startswith("head.") for name in missing) or any(name.startswith("head.") for name in other):
        parts.append("another number of classes? pass new_head=True or build the model with classes=")
    if any("temporal_" in name for name in missing + unexpected):
        parts.append('divided attention has temporal weights, joint and space_only have none: check attention=')
    return "; ".join(parts)
