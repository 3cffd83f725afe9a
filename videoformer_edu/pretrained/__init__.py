"""Weights: published checkpoints into our models, and the small trained models of the course."""

from videoformer_edu.pretrained.load import CheckpointError, LoadReport, load_pretrained

__all__ = ["CheckpointError", "LoadReport", "load_pretrained"]
