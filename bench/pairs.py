"""The pairs: a model of ours and its published peer, at the published base size and at the size of the lessons.

Weights are random, with noise on every parameter so that no table and no gate is zero, and loaded into ours by
`load_pretrained`. vit-pytorch and timesformer-pytorch share no weights with the papers' code: there the structure is
the same and the numbers are not, so only the time of a multiply-add can be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from unittest.mock import patch

import torch
from shortcuts import for_inference
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from videoformer_edu import models
from videoformer_edu.cost import count_macs
from videoformer_edu.pretrained import load_pretrained

SIZES = {
    "base": dict(frames=8, image_size=224, patch_size=16, width=768, depth=12, heads=12),
    "small": dict(frames=8, image_size=64, patch_size=16, width=192, depth=4, heads=3),
}
CLASSES = 400


@dataclass
class Case:
    """Two models that are ready to run: `logits(peer(peer_clip))` is what `ours(clip)` is."""

    ours: nn.Module
    peer: nn.Module
    clip: Tensor
    peer_clip: Tensor
    logits: Callable[[object], Tensor] = lambda out: out
    same_weights: bool = True
    whole: nn.Module | None = None  # where `ours` takes a shortcut: the model that takes none

    def macs(self) -> tuple[int, int]:
        """Multiply-adds of ours and of the peer, counted; with the same weights the task is the same."""
        ours = count_macs(self.whole or self.ours, *self.clip.shape)
        if self.same_weights:
            return ours, ours
        for module in self.peer.modules():
            if hasattr(module, "use_flash_attn"):  # the counter does not see into the fused kernel
                module.use_flash_attn = False
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            self.peer(self.peer_clip)
        for module in self.peer.modules():
            if hasattr(module, "use_flash_attn"):
                module.use_flash_attn = True
        return ours, counter.get_total_flops() // 2

    def difference(self, ours: Tensor, peer: Tensor) -> float:
        """The largest difference between the logits, relative to the largest logit."""
        return ((ours - peer).abs().max() / peer.abs().max()).item()


def shaken(model: nn.Module, noise: float = 0.02) -> nn.Module:
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * noise)
    return model.eval()


def same_weights(ours: nn.Module, peer: nn.Module, clip: Tensor, peer_clip: Tensor | None = None,
                 logits: Callable = lambda out: out) -> Case:
    """Give ours the shaken peer's weights."""
    load_pretrained(ours, shaken(peer).state_dict())
    return Case(ours.eval(), peer, clip, clip if peer_clip is None else peer_clip, logits)


def same_structure(ours: nn.Module, peer: nn.Module, clip: Tensor, peer_clip: Tensor | None = None) -> Case:
    return Case(shaken(ours), peer.eval(), clip, clip if peer_clip is None else peer_clip, same_weights=False)


def random_clip(size: dict) -> Tensor:
    return torch.randn(1, 3, size["frames"], size["image_size"], size["image_size"])


# --------------------------------------------------------------------------------------------- timm, torchvision


def vit(name: str) -> Case:
    """The frames of a clip as a batch of images."""
    from timm.models.vision_transformer import VisionTransformer

    size = dict(SIZES[name])
    images = random_clip(size)[0].transpose(0, 1).contiguous()  # (t, c, h, w)
    size.pop("frames")
    peer = VisionTransformer(img_size=size["image_size"], patch_size=size["patch_size"], embed_dim=size["width"],
                             depth=size["depth"], num_heads=size["heads"], num_classes=CLASSES)
    return same_weights(models.ViT(**size, classes=CLASSES), peer, images)


def swin3d(name: str) -> Case:
    """swin3d_t; small: width 48, two blocks in each stage, whose maps are smaller than the window."""
    from torchvision.models.video.swin_transformer import SwinTransformer3d

    width, depths, heads = (96, (2, 2, 6, 2), (3, 6, 12, 24)) if name == "base" else (48, (2,) * 4, (3, 6, 12, 24))
    peer = SwinTransformer3d(patch_size=[2, 4, 4], embed_dim=width, depths=list(depths), num_heads=list(heads),
                             window_size=[8, 7, 7], num_classes=CLASSES)
    ours = models.VideoSwin(width=width, depths=depths, heads=heads, classes=CLASSES, reference_quirks=True)
    return same_weights(ours, peer, random_clip(SIZES[name]))


def mvit_v1(name: str) -> Case:
    return mvit(name, 1)


def mvit_v2(name: str) -> Case:
    return mvit(name, 2)


def mvit(name: str, version: int) -> Case:
    """mvit_v1_b, mvit_v2_s; small: four blocks in three stages, width 48."""
    from torchvision.models.video import mvit as reference

    size = SIZES[name]
    if name == "base":
        general = reference._mvit  # the builders are tied to 16 frames; what they call is not
        frames = dict(temporal_size=size["frames"])
        with patch.object(reference, "_mvit", lambda **options: general(**{**options, **frames})):
            peer = (reference.mvit_v1_b, reference.mvit_v2_s)[version - 1](weights=None)
        ours = (models.mvit_v1_b, models.mvit_v2_s)[version - 1](frames=size["frames"])
        return same_weights(ours, peer, random_clip(size))
    stages, width, blocks = (1, 2, 1), 48, []
    for stage, depth in enumerate(stages):
        for i in range(depth):
            here, first, last = width * 2**stage, stage > 0 and i == 0, stage < 2 and i == depth - 1
            kv = max(4 // 2**stage, 1)
            blocks.append(reference.MSBlockConfig(
                num_heads=2**stage, input_channels=here // 2 if version == 2 and first else here,
                output_channels=here * 2 if version == 1 and last else here,
                kernel_q=[3, 3, 3] if version == 2 or first else [], kernel_kv=[3, 3, 3],
                stride_q=[1, 2, 2] if first else [1, 1, 1] if version == 2 else [], stride_kv=[1, kv, kv]))
    second = version == 2
    peer = reference.MViT((size["image_size"],) * 2, size["frames"], blocks, residual_pool=second,
                          residual_with_cls_embed=False, rel_pos_embed=second, proj_after_attn=second,
                          num_classes=CLASSES)
    ours = models.MViT(version=version, frames=size["frames"], image_size=size["image_size"], width=width, heads=1,
                       stages=stages, kv_stride=(1, 4, 4), classes=CLASSES)
    return same_weights(ours, peer, random_clip(size))


def r2plus1d(name: str) -> Case:
    """r2plus1d_18, the same network at both sizes of clip."""
    from torchvision.models.video import r2plus1d_18

    return same_weights(models.r2plus1d_18(), r2plus1d_18(weights=None), random_clip(SIZES[name]))


# -------------------------------------------------------------------------------------------------- Hugging Face


def timesformer_divided(name: str) -> Case:
    return timesformer(name, "divided", "divided_space_time")


def timesformer_joint(name: str) -> Case:
    return timesformer(name, "joint", "joint_space_time")


def hugging_face(ours: nn.Module, peer: nn.Module, size: dict) -> Case:
    clip = random_clip(size)
    return same_weights(ours, peer, clip, clip.transpose(1, 2).contiguous(), lambda out: out.logits)  # (b, t, c, h, w)


def common(size: dict) -> dict:
    return dict(image_size=size["image_size"], num_frames=size["frames"], hidden_size=size["width"],
                num_hidden_layers=size["depth"], num_attention_heads=size["heads"],
                intermediate_size=4 * size["width"], num_labels=CLASSES)


def timesformer(name: str, attention: str, attention_type: str) -> Case:
    from transformers import TimesformerConfig, TimesformerForVideoClassification

    size = SIZES[name]
    config = TimesformerConfig(**common(size), patch_size=size["patch_size"], attention_type=attention_type)
    ours = models.TimeSformer(**size, classes=CLASSES, attention=attention)
    return hugging_face(ours, TimesformerForVideoClassification(config), size)


def for_inference_divided(name: str) -> Case:
    """The same logits from fewer multiply-adds; both are held against the multiply-adds of the published model."""
    case = timesformer_divided(name)
    case.ours, case.whole = for_inference(case.ours), case.ours
    return case


def vivit(name: str) -> Case:
    from transformers import VivitConfig, VivitForVideoClassification

    size = SIZES[name]
    config = VivitConfig(**common(size), tubelet_size=[2, size["patch_size"], size["patch_size"]])
    return hugging_face(models.ViViT(**size, classes=CLASSES), VivitForVideoClassification(config), size)


def videomae(name: str) -> Case:
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    size = SIZES[name]
    config = VideoMAEConfig(**common(size), patch_size=size["patch_size"], tubelet_size=2)
    ours = models.VideoMAE(**size, classes=CLASSES, eps=1e-12, last_eps=1e-5)
    return hugging_face(ours, VideoMAEForVideoClassification(config), size)


# ---------------------------------------------------------------------------------------------------- lucidrains


def lucidrains_fe(name: str) -> Case:
    return lucidrains_vivit(name, "factorised_encoder", "factorized_encoder", temporal_depth=4, pool="cls")


def lucidrains_fsa(name: str) -> Case:
    return lucidrains_vivit(name, "factorised_self_attention", "factorized_self_attention",
                            temporal_depth=SIZES[name]["depth"], pool="mean")


def lucidrains_vivit(name: str, ours: str, theirs: str, *, temporal_depth: int, pool: str) -> Case:
    """Ours has biases in q, k and v; theirs has a norm before and after the patch projection."""
    from vit_pytorch.vivit import ViViT

    size = SIZES[name]
    peer = ViViT(image_size=size["image_size"], image_patch_size=size["patch_size"], frames=size["frames"],
                 frame_patch_size=2, num_classes=CLASSES, dim=size["width"], spatial_depth=size["depth"],
                 temporal_depth=temporal_depth, heads=size["heads"], mlp_dim=4 * size["width"], variant=theirs,
                 pool=pool)
    model = models.ViViT(**size, variant=ours, temporal_depth=temporal_depth, classes=CLASSES)
    return same_structure(model, peer, random_clip(size))


def lucidrains_timesformer(name: str) -> Case:
    """Ours has a second projection after time; theirs a gated MLP, rotary positions and CLS in both attentions."""
    from timesformer_pytorch import TimeSformer

    size, clip = SIZES[name], random_clip(SIZES[name])
    peer = TimeSformer(dim=size["width"], num_frames=size["frames"], num_classes=CLASSES,
                       image_size=size["image_size"], patch_size=size["patch_size"], depth=size["depth"],
                       heads=size["heads"])
    return same_structure(models.TimeSformer(**size, classes=CLASSES), peer, clip, clip.transpose(1, 2).contiguous())


PAIRS: dict[str, tuple[str, Callable[[str], Case]]] = {
    "vit": ("timm ViT", vit),
    "timesformer-divided": ("HF TimeSformer, divided", timesformer_divided),
    "timesformer-joint": ("HF TimeSformer, joint", timesformer_joint),
    "vivit": ("HF ViViT", vivit),
    "videomae": ("HF VideoMAE", videomae),
    "swin3d": ("torchvision swin3d_t", swin3d),
    "mvit-v1": ("torchvision mvit_v1_b", mvit_v1),
    "mvit-v2": ("torchvision mvit_v2_s", mvit_v2),
    "r2plus1d": ("torchvision r2plus1d_18", r2plus1d),
    "lucidrains-vivit-fe": ("vit-pytorch ViViT, FE *", lucidrains_fe),
    "lucidrains-vivit-fsa": ("vit-pytorch ViViT, FSA *", lucidrains_fsa),
    "lucidrains-timesformer": ("timesformer-pytorch *", lucidrains_timesformer),
    "for-inference-divided": ("HF TimeSformer, divided +", for_inference_divided),
}
