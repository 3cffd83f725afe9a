"""One file per paper. Every model takes keyword arguments only and has named builders for its published sizes."""

from videoformer_edu.models.c3d import C3D, c3d
from videoformer_edu.models.controls import UnorderedFrames, unordered_motion
from videoformer_edu.models.mvit import (
    MultiscaleBlock,
    MViT,
    mvit_display,
    mvit_motion,
    mvit_v1_b,
    mvit_v2_b,
    mvit_v2_l,
    mvit_v2_s,
)
from videoformer_edu.models.probe import FrameProbe, probe_motion
from videoformer_edu.models.r2plus1d import R2Plus1D, r2plus1d_18
from videoformer_edu.models.slowfast import SlowFast, slow_frames, slowfast_motion, slowfast_r50_4x16, slowfast_r50_8x8
from videoformer_edu.models.small_cnn import SmallCNN3d, c3d_motion, r2plus1d_motion
from videoformer_edu.models.sparse import SparseBlock, SparseTransformer, sparse_motion
from videoformer_edu.models.timesformer import (
    DividedSpaceTimeBlock,
    TimeSformer,
    timesformer_base,
    timesformer_display,
    timesformer_hr,
    timesformer_large,
    timesformer_motion,
)
from videoformer_edu.models.two_pathway import TwoPathwayTransformer, two_pathway_base, two_pathway_motion
from videoformer_edu.models.video_swin import (
    VideoSwin,
    video_swin_base,
    video_swin_large,
    video_swin_motion,
    video_swin_small,
    video_swin_tiny,
)
from videoformer_edu.models.videomae import (
    VideoMAE,
    videomae_base,
    videomae_huge,
    videomae_large,
    videomae_motion,
    videomae_small,
)
from videoformer_edu.models.videomae_pretraining import (
    VideoMAEPretraining,
    tube_mask,
    videomae_pretraining_base,
    videomae_pretraining_huge,
    videomae_pretraining_large,
    videomae_pretraining_motion,
    videomae_pretraining_small,
)
from videoformer_edu.models.vit import (
    TransformerBlock,
    ViT,
    vit_base_patch16_224,
    vit_digits,
    vit_large_patch16_224,
    vit_small_patch16_224,
    vit_tiny_patch16_224,
)
from videoformer_edu.models.vivit import (
    FactorisedDotProductBlock,
    FactorisedSelfAttentionBlock,
    ViViT,
    vivit_base,
    vivit_large,
    vivit_motion,
)

__all__ = ["C3D", "R2Plus1D", "SlowFast", "SmallCNN3d", "c3d", "c3d_motion", "r2plus1d_18", "r2plus1d_motion",
           "slow_frames", "slowfast_motion", "slowfast_r50_4x16", "slowfast_r50_8x8", "DividedSpaceTimeBlock",
           "FactorisedDotProductBlock", "FactorisedSelfAttentionBlock", "MViT", "MultiscaleBlock", "SparseBlock",
           "SparseTransformer", "TimeSformer", "TransformerBlock", "FrameProbe", "probe_motion", "UnorderedFrames",
           "TwoPathwayTransformer", "two_pathway_base", "two_pathway_motion", "ViT", "ViViT", "VideoMAE",
           "VideoMAEPretraining", "VideoSwin", "mvit_display", "mvit_motion", "mvit_v1_b", "mvit_v2_b", "mvit_v2_l",
           "mvit_v2_s",
           "sparse_motion", "timesformer_base", "timesformer_display", "timesformer_hr", "timesformer_large",
           "timesformer_motion", "tube_mask", "unordered_motion", "video_swin_base", "video_swin_large",
           "video_swin_motion", "video_swin_small", "video_swin_tiny", "videomae_base", "videomae_huge",
           "videomae_large", "videomae_motion", "videomae_pretraining_base", "videomae_pretraining_huge",
           "videomae_pretraining_large", "videomae_pretraining_motion", "videomae_pretraining_small", "videomae_small",
           "vit_base_patch16_224", "vit_digits", "vit_large_patch16_224", "vit_small_patch16_224",
           "vit_tiny_patch16_224", "vivit_base", "vivit_large", "vivit_motion"]
