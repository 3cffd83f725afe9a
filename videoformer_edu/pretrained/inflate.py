"""From an image model to a video model: what is copied, what is repeated, and what has to stay silent at first.

    print(image_to_video(vit, timesformer))

At step 0 a video model should know what the image model knew. TimeSformer with divided or space-only attention then
gives *exactly* the image model's features for a clip that stands still: each frame is the image, and time is let in
only as training opens one linear map in each block. Joint attention cannot start there: t copies of every patch stand
against one CLS, so every token looks at CLS t times less, compared with the patches, than it did in the image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from videoformer_edu.attention.core import Attention
from videoformer_edu.models import TimeSformer, VideoMAE, VideoSwin, ViT, ViViT, start_from_image


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


def image_to_video(image: ViT, video: nn.Module, *, tubelets: str = "central_frame") -> InflationReport:
    """Give `video`, in place, the weights of `image`; -> what was copied and what stayed.

    TimeSformer: blocks are copied; temporal attention is a copy of spatial attention, and the `temporal_projection`
    behind it (only that) is zero, as is the time table. ViViT: see `models.start_from_image`; `tubelets` is
    "central_frame" or "average". Heads stay: they belong to other classes.

    Raises ValueError, with `video` untouched, if the two do not fit: another width, depth, patch, number of heads or of
    channels, or a model that has no such ViT inside it.
    """
    if not isinstance(image, ViT):
        raise ValueError(f"expected a ViT to start from, got {type(image).__name__}")
    kind = type(video)
    if kind not in STARTS:
        why = REASONS.get(kind, "it is not built of ViT blocks")
        raise ValueError(f"a ViT does not fit into {kind.__name__}: {why}")
    _check_fit(image, video)
    STARTS[kind](video, image, tubelets)
    return _report(video)


@torch.no_grad()
def _start_timesformer(video: TimeSformer, image: ViT, tubelets: str) -> None:
    """Every frame is embedded as the image was, so there are no tubelets to inflate."""
    new = {k: v for k, v in image.state_dict().items() if not k.startswith(("head.", "blocks."))}
    new["space_positions.table"] = image.space_positions(*video.space_positions.size)
    for key, value in image.blocks.state_dict().items():
        block, part, rest = key.split(".", 2)  # "0", "attention" or "attention_norm", ...
        if video.attention != "divided" or part.startswith("mlp"):
            new[f"blocks.{key}"] = value
            continue
        for axis in ("spatial", "temporal"):
            own = f"{axis}_norm" if part == "attention_norm" else f"{axis}_attention.attention"
            new[f"blocks.{block}.{own}.{rest}"] = value
    state = video.state_dict()
    silent = {key: torch.zeros_like(value) for key, value in state.items() if _is_silent(key, video)}
    video.load_state_dict({**state, **new, **silent})


STARTS: Mapping[type[nn.Module], Callable[[nn.Module, ViT, str], None]] = {
    TimeSformer: _start_timesformer,
    ViViT: lambda video, image, tubelets: start_from_image(video, image, tubelets=tubelets),
}
SILENT = {TimeSformer: (".temporal_projection.", "time_positions."), ViViT: (".temporal_attention.attention.proj.",)}
REASONS = {
    ViT: "that is an image model; load_state_dict copies one ViT into another",
    VideoMAE: "its keys have no bias and its positions are fixed, so it cannot compute what the ViT does; start it "
              "from a pretrained VideoMAE's encoder",
    VideoSwin: "it has windows and a pyramid; models.start_from_image_swin starts it from a 2-D Swin",
}


def _is_silent(key: str, video: nn.Module) -> bool:
    """Does this tensor hold back time at step 0?"""
    return any(part in key for part in SILENT[type(video)])


def _check_fit(image: ViT, video: TimeSformer | ViViT) -> None:
    """ValueError with every number in which the two differ."""
    if isinstance(video, TimeSformer):
        theirs = _numbers(video.patch_embed, video.blocks)
    else:
        encoder = video.spatial_encoder if video.variant == "factorised_encoder" else video.encoder
        theirs = _numbers(video.tubelet_embed, encoder.blocks)
    ours = _numbers(image.patch_embed, image.blocks)
    other = [f"{name} ({ours[name]}, {theirs[name]})" for name in ours if ours[name] != theirs[name]]
    if other:
        raise ValueError(f"this ViT does not fit into this {type(video).__name__}; nothing was copied. They differ in "
                         f"{', '.join(other)}: (image model, video model). Build one with the numbers of the other")


def _numbers(embed: nn.Module, blocks: nn.ModuleList) -> dict[str, int]:
    """What an image model and a video model have to agree on."""
    width, channels, *_, patch = embed.proj.weight.shape
    heads = next(module.heads for module in blocks[0].modules() if isinstance(module, Attention))
    return {"width": width, "channels": channels, "patch_size": patch, "depth": len(blocks), "heads": heads,
            "hidden width of the MLP": blocks[0].mlp[0].out_features}


def _report(video: nn.Module) -> InflationReport:
    lists: dict[str, list[str]] = {name: [] for name in InflationReport.__dataclass_fields__}
    for key in video.state_dict():
        if key.startswith(("head.", "temporal_encoder.")):
            kind = "kept"
        elif _is_silent(key, video):
            kind = "zeroed"
        elif key.endswith("positions.table"):
            kind = "positions"
        else:
            kind = "inflated" if key == "tubelet_embed.proj.weight" else "copied"
        lists[kind].append(key)
    return InflationReport(**{name: tuple(keys) for name, keys in lists.items()})
