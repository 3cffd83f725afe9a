"""Key names of published checkpoints -> ours, one file per family. Names and shapes change; no number is touched."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from videoformer_edu.models.c3d import C3D
from videoformer_edu.models.mvit import MViT
from videoformer_edu.models.r2plus1d import R2Plus1D
from videoformer_edu.models.slowfast import SlowFast
from videoformer_edu.models.timesformer import TimeSformer
from videoformer_edu.models.video_swin import VideoSwin
from videoformer_edu.models.videomae import VideoMAE
from videoformer_edu.models.videomae_pretraining import VideoMAEPretraining
from videoformer_edu.models.vit import ViT
from videoformer_edu.models.vivit import ViViT
from videoformer_edu.pretrained.names import c3d, mvit, r2plus1d, slowfast, timesformer, video_swin, videomae, vivit

State = dict[str, Tensor]
CONVERTERS: dict[type[nn.Module], Callable[[State], State]] = {
    MViT: mvit.convert,
    ViT: timesformer.convert,
    TimeSformer: timesformer.convert,
    VideoMAE: videomae.convert,
    VideoMAEPretraining: videomae.convert,
    ViViT: vivit.convert,
    VideoSwin: video_swin.convert,
    C3D: c3d.convert,
    R2Plus1D: r2plus1d.convert,
    SlowFast: slowfast.convert,
}


def to_our_names(state: State, model: nn.Module) -> State:
    """A published state dict with the names of `model`'s and as many axes; one of our own passes through unchanged."""
    state = {key.removeprefix("module."): value for key, value in state.items()}
    target = model.state_dict()
    if state.keys() == target.keys() or type(model) not in CONVERTERS:
        return state
    if all(key.startswith("model.") for key in state):  # the official TimeSformer's wrapper
        state = {key.removeprefix("model."): value for key, value in state.items()}
    state = CONVERTERS[type(model)](state)
    return {key: _with_axes(value, target[key].ndim) if key in target else value for key, value in state.items()}


def stated_by_shapes(state: State) -> dict:
    """What a published state dict tells by its shapes and ours could not: scenic's `(d, head, e)` how many heads."""
    heads = next((value.shape[1] for key, value in state.items() if key.endswith("/query/kernel")), None)
    return {} if heads is None else {"model_type": "vivit", "num_attention_heads": heads}


def _with_axes(value: Tensor, count: int) -> Tensor:
    """Tables and CLS with a leading axis of 1, `(1, rows, d)`, or without one: as many axes as our tensor has."""
    while value.ndim > count and len(value) == 1:
        value = value[0]
    return value[(None,) * max(0, count - value.ndim)]
