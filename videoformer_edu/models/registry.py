"""Every builder by its name, with what it was published for: the clip it takes, its pixels and its task.

    builder("vivit_base").clip      # (3, 32, 224, 224)
    builder("vivit_base").build(variant="factorised_encoder")

A new builder gets its line here; training, loading, counting and timing know it from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from torch import nn

from videoformer_edu import models
from videoformer_edu.data.pixels import MOTION_PIXELS, Pixels


@dataclass(frozen=True)
class Builder:
    """A function that makes a model, and what its weights expect.

    clip: the published input, `(c, t, h, w)` or `(c, h, w)`; pixels: mean and standard deviation that pixels in 0 ... 1
    are normalised with; task: "video" and "image" answer with classes, "pretraining" does not.
    """

    build: Callable[..., nn.Module]
    clip: tuple[int, ...]
    pixels: Pixels
    task: str = "video"

    @property
    def name(self) -> str:
        return self.build.__name__


CENTRED = Pixels((0.5,) * 3, (0.5,) * 3)  # -1 ... 1: ViViT (scenic, zero_centering); ViT (timm, augreg weights)
KINETICS = Pixels((0.45,) * 3, (0.225,) * 3)  # TimeSformer, MViT and SlowFast (DATA.MEAN and DATA.STD of their code)
IMAGENET = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # Video Swin (configurations), VideoMAE (datasets.py)
TORCHVISION = Pixels((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))  # transforms() of its video weights
CAFFE = Pixels((104 / 255, 117 / 255, 128 / 255), (1 / 255,) * 3)  # C3D (mmaction2): bytes less their mean, RGB


def _clip(frames: int, size: int) -> tuple[int, ...]:
    return 3, frames, size, size


_IMAGE, _SMALL = (3, 224, 224), _clip(8, 32)

BUILDERS: dict[str, Builder] = {entry.name: entry for entry in (
    Builder(models.vit_tiny_patch16_224, _IMAGE, CENTRED, "image"),
    Builder(models.vit_small_patch16_224, _IMAGE, CENTRED, "image"),
    Builder(models.vit_base_patch16_224, _IMAGE, CENTRED, "image"),
    Builder(models.vit_large_patch16_224, _IMAGE, CENTRED, "image"),
    Builder(models.vit_digits, (3, 32, 32), MOTION_PIXELS, "image"),
    Builder(models.timesformer_base, _clip(8, 224), KINETICS),
    Builder(models.timesformer_hr, _clip(16, 448), KINETICS),
    Builder(models.timesformer_large, _clip(96, 224), KINETICS),
    Builder(models.timesformer_motion, _SMALL, MOTION_PIXELS),
    Builder(models.timesformer_display, _clip(8, 64), MOTION_PIXELS),
    Builder(models.vivit_base, _clip(32, 224), CENTRED),
    Builder(models.vivit_large, _clip(32, 224), CENTRED),
    Builder(models.vivit_motion, _SMALL, MOTION_PIXELS),
    Builder(models.video_swin_tiny, _clip(32, 224), IMAGENET),
    Builder(models.video_swin_small, _clip(32, 224), IMAGENET),
    Builder(models.video_swin_base, _clip(32, 224), IMAGENET),
    Builder(models.video_swin_large, _clip(32, 224), IMAGENET),
    Builder(models.video_swin_motion, _SMALL, MOTION_PIXELS),
    Builder(models.mvit_v1_b, _clip(16, 224), KINETICS),
    Builder(models.mvit_v2_s, _clip(16, 224), KINETICS),
    Builder(models.mvit_v2_b, _clip(32, 224), KINETICS),
    Builder(models.mvit_v2_l, _clip(40, 312), IMAGENET),  # so its configuration, unlike the others'
    Builder(models.mvit_motion, _SMALL, MOTION_PIXELS),
    Builder(models.mvit_display, _clip(8, 64), MOTION_PIXELS),
    Builder(models.videomae_small, _clip(16, 224), IMAGENET),
    Builder(models.videomae_base, _clip(16, 224), IMAGENET),
    Builder(models.videomae_large, _clip(16, 224), IMAGENET),
    Builder(models.videomae_huge, _clip(16, 224), IMAGENET),
    Builder(models.videomae_motion, _SMALL, MOTION_PIXELS),
    Builder(models.videomae_pretraining_small, _clip(16, 224), IMAGENET, "pretraining"),
    Builder(models.videomae_pretraining_base, _clip(16, 224), IMAGENET, "pretraining"),
    Builder(models.videomae_pretraining_large, _clip(16, 224), IMAGENET, "pretraining"),
    Builder(models.videomae_pretraining_huge, _clip(16, 224), IMAGENET, "pretraining"),
    Builder(models.videomae_pretraining_motion, _SMALL, MOTION_PIXELS, "pretraining"),
    Builder(models.c3d, _clip(16, 112), CAFFE),
    Builder(models.c3d_motion, _SMALL, MOTION_PIXELS),
    Builder(models.r2plus1d_18, _clip(16, 112), TORCHVISION),
    Builder(models.r2plus1d_motion, _SMALL, MOTION_PIXELS),
    Builder(models.slowfast_r50_4x16, _clip(32, 256), KINETICS),
    Builder(models.slowfast_r50_8x8, _clip(32, 256), KINETICS),
    Builder(models.slowfast_motion, _SMALL, MOTION_PIXELS),
    Builder(models.two_pathway_base, _clip(16, 224), KINETICS),  # the course's own; no weights are published
    Builder(models.two_pathway_motion, _SMALL, MOTION_PIXELS),
    Builder(models.sparse_motion, _SMALL, MOTION_PIXELS),
    Builder(models.unordered_motion, _SMALL, MOTION_PIXELS),
    Builder(models.probe_motion, _SMALL, MOTION_PIXELS),
)}


def builder(name: str) -> Builder:
    """The entry of that name. Raises ValueError with the names that come closest."""
    if name not in BUILDERS:
        close = get_close_matches(name, BUILDERS, n=3) or sorted(BUILDERS)
        raise ValueError(f"there is no builder {name!r}; did you mean {', '.join(close)}?")
    return BUILDERS[name]
