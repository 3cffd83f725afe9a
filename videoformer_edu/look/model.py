"""The model that looks: by its name and its weights, with what it expects and what its answers are called."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from videoformer_edu.attention.recording import attention_names
from videoformer_edu.data.motion.trajectories import TASKS
from videoformer_edu.data.pixels import Pixels
from videoformer_edu.models.registry import BUILDERS, builder
from videoformer_edu.pretrained.build import build
from videoformer_edu.pretrained.small import about_small, build_small, load_small, small_names
from videoformer_edu.pretrained.weight_files import find_file, read_config

MOTION = "generated clips of handwritten digits that move over photographs, in eight directions"


@dataclass(frozen=True)
class Looker:
    """A model in eval mode. clip: `(c, t, h, w)`; labels: of its classes, () where nobody wrote them down; trained_on:
    in words, "" where it is not known."""

    name: str
    model: nn.Module
    clip: tuple[int, ...]
    pixels: Pixels
    labels: tuple[str, ...] = ()
    trained_on: str = ""


def small_lookers() -> list[str]:
    """The models that come with their weights, take a clip and attend."""
    return [name for name in small_names()
            if BUILDERS[about_small(name)["model"]].task == "video" and attention_names(build_small(name))]


def choose_model(name: str, pretrained: str | None = None, *, frames: int | None = None, size: int | None = None,
                 classes: int | None = None) -> Looker:
    """The model `name`: one of the small ones with its weights, or a builder's with weights from `pretrained`.

    pretrained: a hub name, a folder or a file. frames, size: of the clip, where it is not the published one. classes:
    of the weights, where no config.json beside them says so.
    Raises ValueError for a model that is unknown, has no weights or takes no video; CheckpointError for weights that do
    not fit.
    """
    if name in small_names() and pretrained is None:
        about = about_small(name)
        entry, model, labels, trained_on = builder(about["model"]), load_small(name), TASKS["motion"].classes, MOTION
    else:
        entry = builder(name)
        if pretrained is None:
            raise ValueError(f"{name} comes without weights, and would look at random: give --pretrained (a name on "
                             "the hub, a folder or a file), or choose a model that comes with its weights: "
                             + ", ".join(small_lookers()))
        labels, trained_on = _stated(pretrained)
        classes = classes or len(labels) or None
        model = build(name, pretrained=pretrained, **({"classes": classes} if classes else {})).eval()
    if entry.task != "video":
        what = "single images" if entry.task == "image" else "clips to fill in, and answers with pixels"
        raise ValueError(f"{name} takes {what}; choose a model that classifies video, such as {small_lookers()[0]}")
    c, t, h, w = entry.clip
    return Looker(name, model, (c, frames or t, size or h, size or w), entry.pixels, tuple(labels), trained_on)


def _stated(source: str) -> tuple[tuple[str, ...], str]:
    """The labels that stand with the weights, and what they were trained on: in the header of a file of this course's
    training, or in the config.json beside them."""
    file = find_file(source)
    if about := _own_header(file):
        return tuple(about["classes"]), str(about.get("data") or "")
    names = read_config(file).get("id2label")
    if not isinstance(names, dict):
        return (), ""
    return tuple(str(names[key]) for key in sorted(names, key=int)), ""


def _own_header(file: Path) -> dict:
    if file.suffix != ".safetensors":
        return {}
    from safetensors import safe_open

    with safe_open(file, "pt") as opened:
        return json.loads((opened.metadata() or {}).get("training", "{}"))
