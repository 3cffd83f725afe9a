"""Weights and numbers on the disk: `NAME.safetensors`, `RESULTS.json` and the same for reading, `RESULTS.md`."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from videoformer_edu.experiments.table import markdown

JSON, MARKDOWN = "RESULTS.json", "RESULTS.md"


def save_weights(model: nn.Module, name: str, result: dict, folder: Path) -> Path:
    """The model's weights as float16, with recipe, seed and accuracy in the file's metadata."""
    from safetensors.torch import save_file

    keys = ("model", "task", "recipe", "seed", "validation", "accuracy")
    about = {key: result[key] for key in keys}
    state = {key: value.to(torch.float16).contiguous() for key, value in model.state_dict().items()}
    path = folder / f"{name}.safetensors"
    # One entry, because the order of several is not fixed and the same weights should be the same bytes.
    save_file(state, path, metadata={"videoformer_edu": json.dumps({"name": name, **about})})
    return path


def update_results(new: dict[str, dict], order: tuple[str, ...], folder: Path) -> dict[str, dict]:
    """Put the results of some experiments in the place of the old ones, in both files; -> all results."""
    path = folder / JSON
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known = {**old, **new}
    results = {name: known[name] for name in order if name in known}
    path.write_text(compact_json(results) + "\n", encoding="utf-8")
    (folder / MARKDOWN).write_text(markdown(results), encoding="utf-8")
    return results


def compact_json(value, indent: int = 0) -> str:
    """JSON with one entry a line, where short values stay on their line."""
    flat = json.dumps(value)
    if len(flat) + indent <= 110 or not isinstance(value, dict | list):
        return flat
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {compact_json(item, indent + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(pad + part for part in parts) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + compact_json(item, indent + 1) for item in value) + "\n" + " " * indent + "]"
