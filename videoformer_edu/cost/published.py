"""What papers and libraries print about their models, each figure with its source: data, no computation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from videoformer_edu.cost.closed_form import Cost, timesformer_cost, vit_cost, vivit_cost
from videoformer_edu.models.registry import BUILDERS


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
    "MViTv2 large": "MMAction2, README of its MViTv2",
    "VideoMAE": "Tong et al. 2022, comparison on Kinetics-400",
    "C3D": "MMAction2, metafile of its C3D with 101 classes",
    "R(2+1)D": "torchvision, table of weights",
    "SlowFast": "Feichtenhofer et al. 2019, comparison on Kinetics-400; parameters: PyTorchVideo, model zoo",
}


@dataclass(frozen=True)
class Row:
    """One line of the table: a builder with its options, and what was published about it.

    parameters_m (millions) and gmacs (G per view) are None and source, a key of SOURCES, is empty where nothing was
    published. closed: the closed form, which is given the same options; None where there is none. other_clip: the
    input, where it is not the builder's own.
    """

    name: str
    builder: str
    parameters_m: float | None = None
    gmacs: float | None = None
    source: str = ""
    closed: Callable[..., Cost] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    other_clip: tuple[int, ...] = ()

    @property
    def clip(self) -> tuple[int, ...]:
        return self.other_clip or BUILDERS[self.builder].clip


def timesformer(row: Published, builder: str) -> Row:
    closed = partial(timesformer_cost, frames=row.frames, image_size=row.image_size)
    return Row(row.name, builder, row.parameters_m, row.gmacs, "TimeSformer", closed)


def vivit(name: str, *published: float, **options: Any) -> Row:
    return Row(name, "vivit_base", *published, "ViViT", vivit_cost, options)


TABLE = (
    Row("ViT-Ti/16", "vit_tiny_patch16_224", 5.72, 1.26, "ViT", partial(vit_cost, width=192, heads=3)),
    Row("ViT-S/16", "vit_small_patch16_224", 22.05, 4.61, "ViT", partial(vit_cost, width=384, heads=6)),
    Row("ViT-B/16", "vit_base_patch16_224", 86.6, 17.6, "ViT", vit_cost),
    Row("ViT-L/16", "vit_large_patch16_224", 304.3, 61.6, "ViT", partial(vit_cost, width=1024, depth=24, heads=16)),
    Row("TimeSformer space-only", "timesformer_base", 85.9, None, "TimeSformer", timesformer_cost,
        dict(attention="space_only")),
    Row("TimeSformer joint", "timesformer_base", 85.9, None, "TimeSformer", timesformer_cost, dict(attention="joint")),
    timesformer(PUBLISHED_TIMESFORMER[0], "timesformer_base"),
    timesformer(PUBLISHED_TIMESFORMER[1], "timesformer_hr"),
    timesformer(PUBLISHED_TIMESFORMER[2], "timesformer_large"),
    vivit("ViViT-B/16x2, model 1", 88.9, 455.2),
    vivit("ViViT-B/16x2, model 2", 115.1, 284.4, variant="factorised_encoder"),
    vivit("ViViT-B/16x2, model 3", 117.3, 372.3, variant="factorised_self_attention"),
    vivit("ViViT-B/16x2, model 4", 88.9, 277.1, variant="factorised_dot_product"),
    vivit("ViViT-B/16x2, frame average", 86.7, 283.9, variant="factorised_encoder", temporal_depth=0),
    Row("ViViT-L/16x2, model 2", "vivit_large", options=dict(variant="factorised_encoder"),
        closed=partial(vivit_cost, width=1024, depth=24, temporal_depth=24, heads=16)),
    Row("Video Swin-T", "video_swin_tiny", 28, 87.9, "Video Swin"),
    Row("Video Swin-S", "video_swin_small", 50, 165.9, "Video Swin"),
    Row("Video Swin-B", "video_swin_base", 88, 281.6, "Video Swin"),
    Row("Video Swin-L", "video_swin_large", 197, 604, "Video Swin"),
    Row("MViT-B 16x4", "mvit_v1_b", 36.6, 70.5, "MViT"),
    Row("MViT-B 32x3", "mvit_v1_b", 36.6, 170, "MViT", options=dict(frames=32), other_clip=(3, 32, 224, 224)),
    Row("MViTv2-S 16x4", "mvit_v2_s", 34.5, 64.5, "MViTv2"),
    Row("MViTv2-B 32x3", "mvit_v2_b", 51.2, 225, "MViTv2"),
    Row("MViTv2-L 40x3", "mvit_v2_l", 213, 2828, "MViTv2 large"),
    Row("VideoMAE ViT-S", "videomae_small", 22, 57, "VideoMAE"),
    Row("VideoMAE ViT-B", "videomae_base", 87, 180, "VideoMAE"),
    Row("VideoMAE ViT-L", "videomae_large", 305, 597, "VideoMAE"),
    Row("VideoMAE ViT-H", "videomae_huge"),
    Row("VideoMAE ViT-S, pretraining", "videomae_pretraining_small"),
    Row("VideoMAE ViT-B, pretraining", "videomae_pretraining_base"),
    Row("VideoMAE ViT-L, pretraining", "videomae_pretraining_large"),
    Row("VideoMAE ViT-H, pretraining", "videomae_pretraining_huge"),
    Row("C3D", "c3d", 78.409573, 38.6154752, "C3D", options=dict(classes=101)),
    Row("R(2+1)D-18", "r2plus1d_18", 31.505, 40.519, "R(2+1)D"),
    Row("SlowFast R50 4x16", "slowfast_r50_4x16", 34.48, 36.1, "SlowFast"),
    Row("SlowFast R50 8x8", "slowfast_r50_8x8", 34.57, 65.7, "SlowFast"),
    Row("Two pathways, base", "two_pathway_base"),
    Row("vit_digits", "vit_digits"),
    Row("timesformer_display", "timesformer_display"),
    Row("mvit_display", "mvit_display"),
    *(Row(name, name) for name in BUILDERS if name.endswith("_motion")),
)
