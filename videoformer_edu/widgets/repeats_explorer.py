"""Which patches of a real clip repeat: a threshold, two rules, and what the kept tokens say of the others."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from videoformer_edu.data.assets import example_clip_path, hand_with_box_path, hand_with_cup_path
from videoformer_edu.data.video.clips import decode_frames
from videoformer_edu.figures.show import figure_html
from videoformer_edu.run_length import kept_tokens, savings
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets.page_explorer import PageExplorer, assemble
from videoformer_edu.widgets.still import GAP, columns_of, film_address, shown_width, still_frames
from videoformer_edu.widgets.task import task_words

FRAMES, STEP, PATCH = 12, 3, 10
GRID = Grid(FRAMES, 12, 16)
THRESHOLDS = [0, 1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48]  # grey levels
START = 5  # 6 grey levels: 0.1 of ImageNet's standard deviation, the paper's threshold, is 5.8
SAVE, OFF = 0.65, 10  # the task: tokens saved, grey levels that a patch may be off
CLIPS = {"a hand with a cup": (hand_with_cup_path, 4), "a hand with a box": (hand_with_box_path, 4),
         "a rabbit, the camera moves": (example_clip_path, 0)}  # and their first frames
TASK = task_words(f"drop {100 * SAVE:.0f} % or more of the hand with the cup, so that no patch that the tokens stand "
                  f"for is more than {OFF} grey levels off.",
                  says="Compared with the frame before, small changes are never seen, and add up. Compared with the "
                       "patch that was kept, no patch is ever further off than the threshold.")


def repeats_explorer(*, title: str = "Which patches repeat?") -> PageExplorer:
    """The explorer of lesson 06: 12 frames of 160 x 120 pixels from each of three real clips, 12 x 16 patches each."""
    clips = [real_clip(*clip) for clip in CLIPS.values()]
    payload = b"".join(differences(clip).numpy().astype("<u2").tobytes() for clip in clips)
    columns, shown = columns_of(FRAMES), shown_width(FRAMES)
    film = film_address(np.stack([clip.numpy() for clip in clips]))
    config = {
        "film": film, "t": FRAMES, "grid": list(GRID), "frame": [160, 120], "values": 3 * PATCH**2,
        "clips": list(CLIPS),
        "thresholds": THRESHOLDS, "threshold": START, "columns": columns, "width": columns * (shown + GAP) - GAP,
        "place": 6 * GRID.w + 9, "task": {**TASK, "clip": 0, "save": SAVE, "off": OFF},
    }
    keep = kept(clips[0], THRESHOLDS[START])[0]
    alt = (f"{FRAMES} frames of a hand that tilts a flask, {GRID.h} x {GRID.w} patches each. The first is whole; of "
           f"the others only the patches around flask, hand and arm are kept; {100 * savings(keep):.0f} % of all are "
           "dropped and dark.")
    still = figure_html(still_frames(clips[0].numpy(), keep, columns, shown), alt=alt, width=config["width"],
                        photographs=True, caption=f"{title} (a still picture: run this cell to explore)")
    return assemble("repeats", uses=("frames",), title=title, config=config, still=still, payload=payload)


def real_clip(path, first: int) -> Tensor:
    """Every third frame, uint8 `(12, 120, 160, 3)`; wider frames lose their sides and are scaled down."""
    clip = decode_frames(path(), range(first, first + FRAMES * STEP, STEP)).permute(0, 3, 1, 2)  # (t, c, h, w)
    height, width = clip.shape[2:]
    side = (width - height * 4 // 3) // 2
    clip = clip[..., side:width - side].float()
    return F.interpolate(clip, size=(120, 160), mode="area").round().byte().permute(0, 2, 3, 1).contiguous()


def as_video(clip: Tensor) -> Tensor:
    """uint8 `(t, h, w, c)` -> float `(1, c, t, h, w)`, still in grey levels."""
    return clip.permute(3, 0, 1, 2)[None].float()


def kept(clip: Tensor, level: int, reference: str = "previous") -> Tensor:
    """`(1, t, h, w)` bool: the patches that change by more than `level` grey levels on average, however it is rounded.

    Means of whole numbers have steps of 1 / values: half a step above the level decides as exact sums do.
    """
    return kept_tokens(as_video(clip), patch_size=PATCH, threshold=level + 0.5 / (3 * PATCH**2), reference=reference)


def differences(clip: Tensor) -> Tensor:
    """`(t*(t-1)/2, n)` whole numbers: for each two frames (0, 1), (0, 2), ..., the sum of |difference| a patch."""
    frames = clip.permute(0, 3, 1, 2).long()
    sums = [(frames[i + 1:] - frames[i]).abs().sum(1) for i in range(len(frames) - 1)]  # (j, h, w) each
    pairs = torch.cat(sums).unflatten(1, (GRID.h, PATCH)).unflatten(3, (GRID.w, PATCH)).sum((2, 4))
    return pairs.flatten(1).clamp(max=65535)
