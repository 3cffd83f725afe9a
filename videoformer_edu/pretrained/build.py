"""A model by its name: every builder of `models/`, with or without weights."""

from __future__ import annotations

from torch import nn

from videoformer_edu.models.registry import builder
from videoformer_edu.pretrained.load import load_pretrained


def build(name: str, *, pretrained=None, new_head: bool = False, **changes) -> nn.Module:
    """The model that the builder `name` makes ("timesformer_base", "video_swin_tiny", ...).

    pretrained: where its weights are (anything `load_pretrained` takes as a source); None draws fresh ones.
    changes: for the builder, such as classes=174 or frames=16; new_head keeps the fresh classifier.
    Raises ValueError for an unknown name, CheckpointError for weights that do not fit.
    """
    model = builder(name).build(**changes)
    if pretrained is not None:
        load_pretrained(model, pretrained, new_head=new_head)
    return model
