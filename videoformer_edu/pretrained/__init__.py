"""Weights: published checkpoints into our models, and the small trained models of the course."""

from pathlib import Path

from videoformer_edu.pretrained.build import build
from videoformer_edu.pretrained.inflate import InflationReport, image_to_video
from videoformer_edu.pretrained.load import LoadReport, load_pretrained
from videoformer_edu.pretrained.weight_files import CheckpointError


def reference_checkpoint(name: str = "timesformer") -> Path:
    """The folder of a small checkpoint with random weights, written by the reference library itself.

    `model.safetensors`, and `config.json` where that library writes one; `answer.safetensors` holds a `video` and the
    `logits` that the library's own model gives. For tests and lessons without a network.
    """
    return Path(__file__).parent / "reference" / name


__all__ = ["CheckpointError", "InflationReport", "LoadReport", "build", "image_to_video", "load_pretrained",
           "reference_checkpoint"]
