"""Key names of published checkpoints -> ours, one file per family. Names and shapes change; no number is touched."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from videoformer_edu.models.mvit import MViT
from videoformer_edu.models.r2plus1d import R2Plus1D
from videoformer_edu.models.slowfast import SlowFast
from videoformer_edu.models.timesformer import TimeSformer
from videoformer_edu.models.video_swin import VideoSwin
from videoformer_edu.models.videomae import VideoMAE
from videoformer_edu.models.videomae_pretraining import VideoMAEPretraining
from videoformer_edu.models.vit import ViT
from videoformer_edu.models.vivit import ViViT
from videoformer_edu.pretrained.names import cnn3d, mvit, timesformer, video_swin, videomae, vivit

State = dict[str, Tensor]
CONVERTERS: dict[type[nn.Module], Callable[[State], State]] = {
    MViT: mvit.convert,
    ViT: timesformer.convert,
    TimeSformer: timesformer.convert,
    VideoMAE: videomae.convert,
    VideoMAEPretraining: videomae.convert,
    ViViT: vivit.convert,
    VideoSwin: video_swin.convert,
    R2Plus1D: cnn3d.convert_r2plus1d,
    SlowFast: cnn3d.convert_slowfast,
}


def to_our_names(state: State, model: nn.Module) -> State:
    """A published state dict with the names and shapes of `model`'s; one of our own passes through unchanged."""
    state = {key.removeprefix("module."): value for key, value in state.items()}
    if state.keys() == model.state_dict().keys() or type(model) not in CONVERTERS:
        return state
    if all(key.startswith("model.") for key in state):  # the official TimeSformer's wrapper
        state = {key.removeprefix("model."): value for key, value in state.items()}
    return CONVERTERS[type(model)](state)
