"""The same experiments at a larger size, for a learner who has a GPU: 16 frames of 64 pixels, models of width 192.

Nothing of the results page was made at this size.
"""

from __future__ import annotations

from dataclasses import replace

from experiments.experiment import Experiment

TRANSFORMER = dict(frames=16, image_size=64, width=192, depth=6, heads=4)
LARGE = {
    "vit_digits": dict(image_size=64, width=192, depth=6, heads=4),
    "timesformer_motion": TRANSFORMER,
    "vivit_motion": TRANSFORMER,
    "sparse_motion": TRANSFORMER,
    "videomae_motion": TRANSFORMER,
    "videomae_pretraining_motion": {**TRANSFORMER, "decoder_width": 96, "decoder_depth": 2, "decoder_heads": 4},
    "video_swin_motion": dict(width=64, depths=(2, 4), heads=(2, 4), window=(4, 4, 4)),
    "mvit_motion": dict(frames=16, image_size=64, width=64, stages=(1, 2, 3), kv_stride=(1, 8, 8)),
    "two_pathway_motion": dict(frames=16, image_size=64, slow_width=192, fast_width=64, slow_heads=4, depth=6,
                               fuse_every=2),
    "c3d_motion": dict(widths=(32, 64, 128)),
    "r2plus1d_motion": dict(widths=(48, 96, 192)),
    "slowfast_motion": dict(width=32),
    "unordered_motion": dict(image_size=64, widths=(48, 96, 192), hidden=256),
}


def enlarge(experiment: Experiment, precision: str) -> Experiment:
    """The experiment, and what it starts from, at the larger size: twice the frames, batches of 64, half the rate."""
    material = replace(experiment.material, frames=2 * experiment.material.frames, size=64)
    changes = {**experiment.changes, **LARGE[experiment.model]}
    if "frames" in changes:
        changes["frames"] = material.frames
    recipe = replace(experiment.recipe, batch=64, lr=experiment.recipe.lr / 2, precision=precision)
    start = experiment.start and enlarge(experiment.start, precision)
    return replace(experiment, material=material, changes=changes, recipe=recipe, start=start)
