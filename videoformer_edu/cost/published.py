"""What papers and libraries print about their models, each figure with its source: data, no computation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from videoformer_edu import models
from videoformer_edu.cost.closed_form import Cost, timesformer_cost, vit_cost, vivit_cost


@dataclass(frozen=True)
class Published:
    """A row of a paper's table: `top1` on Kinetics-400 in per cent, cost per view in G multiply-adds."""

    name: str
    frames: int
    image_size: int
    attention: str
    parameters_m: float
    gmacs: float
    top1: float


# Bertasius et al. 2021, tables 1 to 5. The paper prints TFLOPs for 3 views, which are divided by 3 here; its parameter
# counts leave out CLS and the position tables.
PUBLISHED_TIMESFORMER = (
    Published("TimeSformer", 8, 224, "divided", 121.4, 590 / 3, 78.0),
    Published("TimeSformer-HR", 16, 448, "divided", 121.4, 5110 / 3, 79.7),
    Published("TimeSformer-L", 96, 224, "divided", 121.4, 7140 / 3, 80.7),
)

SOURCES = {
    "ViT": "timm, table of results; DeiT's names for Ti and S",
    "TimeSformer": "Bertasius et al. 2021, tables 1 to 5; cost for 3 views, divided by 3; parameters without CLS and "
                   "position tables",
    "ViViT": "Arnab et al. 2021, table 2; counts softmax and norms, too",
    "Video Swin": "README of the official code (SwinTransformer/Video-Swin-Transformer)",
    "MViT": "Fan et al. 2021, comparison on Kinetics-400",
    "MViTv2": "Li et al. 2022, comparison on Kinetics-400",
    "VideoMAE": "Tong et al. 2022, comparison on Kinetics-400",
    "C3D": "MMAction2, metafile of its C3D with 101 classes",
    "R(2+1)D": "torchvision, table of weights",
    "SlowFast": "Feichtenhofer et al. 2019, comparison on Kinetics-400; parameters: PyTorchVideo, model zoo",
}


@dataclass(frozen=True)
class Row:
    """One line of the table: a builder with its options, the input, and what was published.

    clip: `(c, t, h, w)`, or `(c, h, w)` for an image. closed: the closed form, which is given the same options; None
    where there is none. parameters_m (millions) and gmacs (G per view) are None and source, a key of SOURCES, is empty
    where nothing was published.
    """

    name: str
    build: Callable[..., nn.Module]
    clip: tuple[int, ...]
    parameters_m: float | None = None
    gmacs: float | None = None
    source: str = ""
    closed: Callable[..., Cost] | None = None
    options: dict[str, Any] = field(default_factory=dict)


class Painting(nn.Module):
    """VideoMAE's pretraining of one clip, `ratio` of it hidden. Which tubes those are does not change the cost."""

    def __init__(self, model: models.VideoMAEPretraining, ratio: float = 0.9):
        super().__init__()
        self.model, self.ratio = model, ratio

    def forward(self, video: Tensor) -> Tensor:
        grid = self.model.encoder.grid
        order = torch.arange(grid.l, device=video.device).expand(len(video), -1)
        hidden = int(self.ratio * grid.n) * grid.t
        return self.model.paint(video, order[:, :-hidden], order[:, -hidden:])


def clip(frames: int, size: int = 224) -> tuple[int, ...]:
    return (3, frames, size, size)


def vit(name: str, build: Callable[..., nn.Module], *published: float, **size: int) -> Row:
    return Row(name, build, (3, 224, 224), *published, "ViT", partial(vit_cost, **size))


def timesformer(row: Published, build: Callable[..., nn.Module]) -> Row:
    closed = partial(timesformer_cost, frames=row.frames, image_size=row.image_size)
    return Row(row.name, build, clip(row.frames, row.image_size), row.parameters_m, row.gmacs, "TimeSformer", closed)


def vivit(name: str, *published: float, **options: Any) -> Row:
    return Row(name, models.vivit_base, clip(32), *published, "ViViT", vivit_cost, options)


TABLE = (
    vit("ViT-Ti/16", models.vit_tiny_patch16_224, 5.72, 1.26, width=192, heads=3),
    vit("ViT-S/16", models.vit_small_patch16_224, 22.05, 4.61, width=384, heads=6),
    vit("ViT-B/16", models.vit_base_patch16_224, 86.6, 17.6),
    vit("ViT-L/16", models.vit_large_patch16_224, 304.3, 61.6, width=1024, depth=24, heads=16),
    Row("TimeSformer space-only", models.timesformer_base, clip(8), 85.9, None, "TimeSformer", timesformer_cost,
        dict(attention="space_only")),
    Row("TimeSformer joint", models.timesformer_base, clip(8), 85.9, None, "TimeSformer", timesformer_cost,
        dict(attention="joint")),
    *(timesformer(row, build) for row, build in zip(
        PUBLISHED_TIMESFORMER, (models.timesformer_base, models.timesformer_hr, models.timesformer_large),
        strict=True)),
    vivit("ViViT-B/16x2, model 1", 88.9, 455.2),
    vivit("ViViT-B/16x2, model 2", 115.1, 284.4, variant="factorised_encoder"),
    vivit("ViViT-B/16x2, model 3", 117.3, 372.3, variant="factorised_self_attention"),
    vivit("ViViT-B/16x2, model 4", 88.9, 277.1, variant="factorised_dot_product"),
    vivit("ViViT-B/16x2, frame average", 86.7, 283.9, variant="factorised_encoder", temporal_depth=0),
    Row("ViViT-L/16x2, model 2", models.vivit_large, clip(32), None, None, "",
        partial(vivit_cost, width=1024, depth=24, heads=16), dict(variant="factorised_encoder")),
    Row("Video Swin-T", models.video_swin_tiny, clip(32), 28, 87.9, "Video Swin"),
    Row("Video Swin-S", models.video_swin_small, clip(32), 50, 165.9, "Video Swin"),
    Row("Video Swin-B", models.video_swin_base, clip(32), 88, 281.6, "Video Swin"),
    Row("MViT-B 16x4", models.mvit_v1_b, clip(16), 36.6, 70.5, "MViT"),
    Row("MViT-B 32x3", models.mvit_v1_b, clip(32), 36.6, 170, "MViT", options=dict(frames=32)),
    Row("MViTv2-S 16x4", models.mvit_v2_s, clip(16), 34.5, 64.5, "MViTv2"),
    Row("VideoMAE ViT-S", models.videomae_small, clip(16), 22, 57, "VideoMAE"),
    Row("VideoMAE ViT-B", models.videomae_base, clip(16), 87, 180, "VideoMAE"),
    Row("VideoMAE ViT-L", models.videomae_large, clip(16), 305, 597, "VideoMAE"),
    Row("VideoMAE ViT-B, pretraining", models.videomae_pretraining_base, clip(16)),
    Row("C3D", models.c3d, clip(16, 112), 78.409573, 38.6154752, "C3D", options=dict(classes=101)),
    Row("R(2+1)D-18", models.r2plus1d_18, clip(16, 112), 31.505, 40.519, "R(2+1)D"),
    Row("SlowFast R50 4x16", models.slowfast_r50_4x16, clip(32, 256), 34.48, 36.1, "SlowFast"),
    Row("SlowFast R50 8x8", models.slowfast_r50_8x8, clip(32, 256), 34.57, 65.7, "SlowFast"),
    Row("Two pathways, base", models.two_pathway_base, clip(16)),
    Row("vit_digits", models.vit_digits, (3, 32, 32)),
    *(Row(name, build, clip(8, 32)) for name, build in vars(models).items() if name.endswith("_motion")),
)
