"""A model by its name: every builder of `models/`, with or without weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from difflib import get_close_matches

from torch import nn

from videoformer_edu import models

# What models/ exports in small letters and can be called without an argument builds a model.
BUILDERS: dict[str, Callable[..., nn.Module]] = {
    name: getattr(models, name) for name in models.__all__
    if name.islower() and all(p.kind is p.VAR_KEYWORD or p.default is not p.empty
                              for p in inspect.signature(getattr(models, name)).parameters.values())
}


def build(name: str, *, pretrained=None, new_head: bool = False, **changes) -> nn.Module:
    """The model that the builder `name` makes ("timesformer_base", "video_swin_tiny", ...).

    pretrained: where its weights are (anything `load_pretrained` takes as a source); None draws fresh ones.
    changes: for the builder, such as classes=174 or frames=16; new_head keeps the fresh classifier.
    Raises ValueError for an unknown name, CheckpointError for weights that do not fit.
    """
    if name not in BUILDERS:
        close = get_close_matches(name, BUILDERS, n=3) or sorted(BUILDERS)
        raise ValueError(f"there is no builder {name!r}; did you mean {', '.join(close)}?")
    model = BUILDERS[name](**changes)
    if pretrained is not None:
        from videoformer_edu.pretrained.load import load_pretrained

        load_pretrained(model, pretrained, new_head=new_head)
    return model
