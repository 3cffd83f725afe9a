"""Generated clips: a handwritten digit moves over a photograph, and the label is the direction of the motion.

* `clips`: the batches that a lesson asks for (exported here)
* `trajectories`: why no single frame tells the label; `rendering`: the pixels
* `digits`, `photographs`: the real pictures that clips are made of
* `images`: single pictures of a digit on a photograph, for the image ViT
"""

from videoformer_edu.data.motion.clips import (
    DIRECTIONS,
    TASKS,
    TEST_SEED,
    MotionBatch,
    MotionClips,
    axis,
    batch_seed,
    motion_batch,
    motion_test_set,
    sign,
)

__all__ = ["DIRECTIONS", "TASKS", "TEST_SEED", "MotionBatch", "MotionClips", "axis", "batch_seed", "motion_batch",
           "motion_test_set", "sign"]
