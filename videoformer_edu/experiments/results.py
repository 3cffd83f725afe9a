"""Weights and numbers on the disk: `NAME.safetensors`, `RESULTS.json` and the same for reading, `RESULTS.md`."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

JSON, MARKDOWN = "RESULTS.json", "RESULTS.md"


def save_weights(model: nn.Module, name: str, result: dict, folder: Path) -> Path:
    """The model's weights as float16, with recipe, seed and accuracy in the file's metadata."""
    from safetensors.torch import save_file

    about = {key: result[key] for key in ("model", "task", "recipe", "chosen_seed", "validation", "accuracy")}
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


def per_cent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def markdown(results: dict[str, dict]) -> str:
    """The table for a reader."""
    lines = [
        "# The small trained models",
        "",
        "Made by `python -m videoformer_edu.experiments --out videoformer_edu/pretrained/weights`, on one thread.",
        "Test accuracy in per cent, on 1024 pictures or clips with digits and photographs never trained on (binomial",
        "standard deviation at 50 %: 1.6 points). Settings and seeds were chosen on other examples. Multiply-adds are",
        "for one clip or picture; seconds are processor time of training, data included.",
        "",
        "| model | parameters | multiply-adds | steps x batch | seed | accuracy | axis | sign | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        recipe = result["recipe"]
        for run in result["runs"]:
            mark = " (shipped)" if result["ships"] and run["seed"] == result["chosen_seed"] else ""
            lines.append(
                f"| {name} | {result['parameters']:,} | {result['macs'] / 1e6:.1f} M | {recipe['steps']} x "
                f"{recipe['batch']} | {run['seed']}{mark} | {per_cent(run['accuracy'])} | "
                f"{per_cent(run.get('axis'))} | {per_cent(run.get('sign'))} | {run['cpu_seconds']} |")
    return "\n".join(lines) + "\n"
