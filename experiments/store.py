"""Finished runs on the disk: one small JSON each, and its weights.

A run is one (experiment, seed). Its file carries the digest of the experiment, so a run made with other settings is not
mistaken for it and not overwritten by it. The JSON is written last and renamed into its place: where it is, the run is
whole. A command that was stopped goes on with what is missing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from experiments.experiment import Experiment, digest


class Store:
    """The folder of finished runs."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def path(self, experiment: Experiment, seed: int, suffix: str = ".json") -> Path:
        return self.folder / f"{experiment.name}-seed{seed}-{digest(experiment)}{suffix}"

    def row(self, experiment: Experiment, seed: int) -> dict | None:
        """What a finished run has measured; None while it is not finished."""
        path = self.path(experiment, seed)
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def weights(self, experiment: Experiment, seed: int) -> dict[str, Tensor]:
        """The weights of a finished run, in float32."""
        from safetensors.torch import load_file

        return {key: floats(value, torch.float32)
                for key, value in load_file(self.path(experiment, seed, ".safetensors")).items()}

    def keep(self, experiment: Experiment, seed: int, model: nn.Module, row: dict) -> None:
        """Write a finished run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f".{os.getpid()}.unfinished"
        save_weights(model.state_dict(), unfinished, {})
        os.replace(unfinished, self.path(experiment, seed, ".safetensors"))
        unfinished.write_text(json.dumps(row), encoding="utf-8")
        os.replace(unfinished, self.path(experiment, seed))


def save_weights(state: dict[str, Tensor], path: Path, about: dict) -> None:
    """The weights as float16, and what they are, in one safetensors file."""
    from safetensors.torch import save_file

    half = {key: floats(value, torch.float16).cpu().contiguous() for key, value in state.items()}
    # One entry, because the order of several is not fixed and the same weights should be the same bytes.
    save_file(half, path, metadata={"videoformer_edu": json.dumps(about)})


def floats(x: Tensor, dtype: torch.dtype) -> Tensor:
    """`x` in another precision, if it has one: counters stay whole numbers."""
    return x.to(dtype) if x.is_floating_point() else x
