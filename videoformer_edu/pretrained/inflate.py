"""From an image model to a video model: what is copied, what is repeated, and what has to stay silent at first.

    print(image_to_video(vit, timesformer))

At step 0 a video model should know what the image model knew. TimeSformer with divided or space-only attention then
gives *exactly* the image model's features for a clip that stands still: each frame is the image, and time is let in
only as training opens one linear map in each block. So do ViViT's spatial encoder, in every step, and a Video Swin.
Joint attention cannot start there: t copies of every patch stand against one CLS, so every token looks at CLS t times
less, compared with the patches, than it did in the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from videoformer_edu.models import TimeSformer, VideoMAE, VideoSwin, ViT, ViViT
from videoformer_edu.pretrained.config import block_numbers
from videoformer_edu.pretrained.names import video_swin
from videoformer_edu.tokens import inflate

State = dict[str, Tensor]


@dataclass(frozen=True)
class InflationReport:
    """Names of the video model's tensors, each in exactly one list.

    copied: as they were, also into the temporal attention. inflated: a patch filter made a tubelet filter. positions:
    the image's table, repeated where the model has a row for every step, resized where its frames have another size.
    zeroed: so that time is silent at step 0. kept: the image model has nothing for them.
    """

    copied: tuple[str, ...]
    inflated: tuple[str, ...]
    positions: tuple[str, ...]
    zeroed: tuple[str, ...]
    kept: tuple[str, ...]

    def __str__(self) -> str:
        def some(keys: tuple[str, ...]) -> str:
            return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")

        return "; ".join(f"{name}: {some(keys)}" for name, keys in vars(self).items() if keys)


@torch.no_grad()
def image_to_video(image: ViT | Mapping[str, Tensor], video: nn.Module, *,
                   tubelets: str | None = None) -> InflationReport:
    """Give `video`, in place, the weights of `image`; -> what was copied and what stayed. Heads stay: they belong to
    other classes.

    TimeSformer, from a ViT: blocks are copied; temporal attention is a copy of spatial attention, and the
    `temporal_projection` behind it (only that) is zero, as is the time table.
    ViViT, from a ViT (section 3.4): positions are repeated in every step, blocks copied, the temporal encoder of model
    2 stays. In model 3 temporal attention is a copy of spatial attention with *only the output projection* at zero: a
    silent branch that can learn. The published option "zero" also zeroes q, k and v; then nothing but one bias ever
    gets a gradient, and the branch is dead for good. A ViT was trained with the exact GELU, ViViT has its tanh form.
    VideoSwin, from the state dict of a 2-D Swin (torchvision's) of the same width, depths and spatial window (section
    3.3): a bias for a distance in space is repeated for every distance in time.
    tubelets: see `tokens.inflate`; None as published, "central_frame" for ViViT and "average" for Video Swin.

    Raises ValueError, with `video` untouched, if the two do not fit: another width, depth, patch, number of heads or of
    channels, another window, or a model that has no such image model inside it.
    """
    if isinstance(video, VideoSwin) and isinstance(image, Mapping):
        new = _from_image_swin(video, video_swin.convert(dict(image)), tubelets or "average")
    else:
        _check_vit_fits(image, video)
        start = _timesformer_from_vit if isinstance(video, TimeSformer) else _vivit_from_vit
        new = start(video, image, tubelets or "central_frame")
    state = video.state_dict()
    silent = {key: torch.zeros_like(value) for key, value in state.items() if _is_silent(key, video)}
    video.load_state_dict({**state, **new, **silent})
    return _report(video)


def _timesformer_from_vit(video: TimeSformer, image: ViT, tubelets: str) -> State:
    """Every frame is embedded as the image was, so there are no tubelets to inflate."""
    new = {key: value for key, value in image.state_dict().items() if not key.startswith(("head.", "blocks."))}
    new["space_positions.table"] = image.space_positions(*video.space_positions.size)
    return new | {f"blocks.{key}": value for key, value in _blocks(image, divided=video.attention == "divided")}


def _vivit_from_vit(video: ViViT, image: ViT, tubelets: str) -> State:
    name = "spatial_encoder" if video.variant == "factorised_encoder" else "encoder"
    encoder = getattr(video, name)
    new = {"tubelet_embed.proj.weight": inflate(image.patch_embed.proj.weight, video.tubelet_embed.kernel[0], tubelets),
           "tubelet_embed.proj.bias": image.patch_embed.proj.bias}
    if encoder.cls is not None:
        new[f"{name}.cls"] = image.cls[0]
    if name == "spatial_encoder":
        new[f"{name}.positions.table"] = image.space_positions(*encoder.positions.size)  # (1 + n, d)
    else:
        grid, cls = encoder.positions.grid, int(encoder.positions.cls)
        places = image.space_positions(grid.h, grid.w)  # (1 + n, d)
        new[f"{name}.positions.table"] = torch.cat([places[:cls], places[1:].repeat(grid.t, 1)])  # ([1 +] t*n, d)
    new |= {f"{name}.norm.{key}": value for key, value in image.norm.state_dict().items()}
    divided = video.variant == "factorised_self_attention"
    return new | {f"{name}.blocks.{key}": value for key, value in _blocks(image, divided=divided)}


def _blocks(image: ViT, *, divided: bool) -> Iterator[tuple[str, Tensor]]:
    """The tensors of an image model's blocks; `divided` has its attention twice, across space and along time."""
    for key, value in image.blocks.state_dict().items():
        block, part, rest = key.split(".", 2)  # "0", "attention" or "attention_norm", ...
        if not divided or part.startswith("mlp"):
            yield key, value
            continue
        for axis in ("spatial", "temporal"):
            own = f"{axis}_norm" if part == "attention_norm" else f"{axis}_attention.attention"
            yield f"{block}.{own}.{rest}", value


def _from_image_swin(video: VideoSwin, image: State, tubelets: str) -> State:
    """`image`: a 2-D Swin's state dict under our names. A still clip then gives the image model's features."""
    t, h, w = video.stages[0].blocks[0].attention.pattern.window
    new, state = {}, video.state_dict()
    for key, value in image.items():
        if key == "tubelet_embed.proj.weight":
            new[key] = inflate(value, video.tubelet_embed.kernel[0], tubelets)
        elif key.endswith("relative_position_bias_table"):
            if len(value) != (2 * h - 1) * (2 * w - 1):
                raise ValueError(f"{key} has {len(value)} rows, which is not every distance in a window of {h} x {w}: "
                                 "build the video model with the image model's window")
            new[key] = value.repeat(2 * t - 1, 1)  # distances in time change slowest
        elif not key.startswith("head."):
            new[key] = value
    other = sorted(key for key in new.keys() | {key for key in state if not key.startswith("head.")}
                   if key not in new or key not in state or new[key].shape != state[key].shape)
    if other:
        raise ValueError(f"this image model does not fit into this VideoSwin; nothing was copied. Missing, unknown or "
                         f"of another shape: {', '.join(other[:4])}{' ...' if len(other) > 4 else ''}; build the video "
                         "model with the image model's width, depths, heads and patch_size")
    return new


SILENT = {TimeSformer: (".temporal_projection.", "time_positions."), ViViT: (".temporal_attention.attention.proj.",)}
WHY_NOT = {
    ViT: "that is an image model; load_state_dict copies one ViT into another",
    VideoMAE: "its keys have no bias and its positions are fixed, so it cannot compute what the ViT does; start it "
              "from a pretrained VideoMAE's encoder",
    VideoSwin: "it has windows and a pyramid; it starts from the state dict of a 2-D Swin",
}


def _is_silent(key: str, video: nn.Module) -> bool:
    """Does this tensor hold back time at step 0?"""
    return any(part in key for part in SILENT.get(type(video), ()))


def _check_vit_fits(image: nn.Module, video: nn.Module) -> None:
    """ValueError with every number in which the two differ."""
    if not isinstance(image, ViT):
        raise ValueError(f"expected a ViT to start from, got {type(image).__name__}; a VideoSwin starts from the state "
                         "dict of a 2-D Swin")
    kind = type(video)
    if kind not in SILENT:
        why = WHY_NOT.get(kind, "it is not built of ViT blocks")
        raise ValueError(f"a ViT does not fit into {kind.__name__}: {why}")
    if isinstance(video, TimeSformer):
        theirs = _numbers(video.patch_embed, video.blocks)
    else:
        encoder = video.spatial_encoder if video.variant == "factorised_encoder" else video.encoder
        theirs = _numbers(video.tubelet_embed, encoder.blocks)
    ours = _numbers(image.patch_embed, image.blocks)
    other = [f"{name} ({ours[name]}, {theirs[name]})" for name in ours if ours[name] != theirs[name]]
    if other:
        raise ValueError(f"this ViT does not fit into this {kind.__name__}; nothing was copied. They differ in "
                         f"{', '.join(other)}: (image model, video model). Build one with the numbers of the other")


def _numbers(embed: nn.Module, blocks: nn.ModuleList) -> dict[str, int]:
    """What an image model and a video model have to agree on."""
    _, channels, *_, patch = embed.proj.weight.shape
    return {"channels": channels, "patch_size": patch, **block_numbers(blocks)}


def _report(video: nn.Module) -> InflationReport:
    lists: dict[str, list[str]] = {name: [] for name in InflationReport.__dataclass_fields__}
    for key in video.state_dict():
        if key.startswith(("head.", "temporal_encoder.")):
            kind = "kept"
        elif _is_silent(key, video):
            kind = "zeroed"
        elif key.endswith(("positions.table", "relative_position_bias_table")):
            kind = "positions"
        else:
            kind = "inflated" if key == "tubelet_embed.proj.weight" else "copied"
        lists[kind].append(key)
    return InflationReport(**{name: tuple(keys) for name, keys in lists.items()})
