"""What does my clip cost? Frames, pixels, patch, tubelet, width, depth and pattern against work and memory."""

from __future__ import annotations

import json
import math

from videoformer_edu.cost import clip_cost, timesformer_cost
from videoformer_edu.cost.published import PUBLISHED_TIMESFORMER, TABLE
from videoformer_edu.figures.cost import cost_curves
from videoformer_edu.figures.show import figure_html
from videoformer_edu.widgets.page_explorer import PageExplorer, assemble
from videoformer_edu.widgets.task import task_words

FRAMES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 256, 512, 1024, 1500)
SIZES, PATCHES, TUBELETS = (112, 224, 336, 448), (8, 14, 16), (1, 2, 4)
WIDTHS = ((192, 3), (384, 6), (768, 12), (1024, 16), (1280, 16))  # width, heads
DEPTHS = (12, 24, 32)
KINDS = ("joint", "divided", "space_only")
T4 = 15 * 2**30  # bytes that an NVIDIA T4 of 16 GB has for a program, as its driver states them
TITLE = "What does my clip cost?"


def clip_cost_explorer(*, speed: float | None = None) -> PageExplorer:
    """A chart of work or memory over frames, for a clip and a model of the reader's choice; the reader guesses first.

    speed: multiply-adds a second of the reader's machine, as lesson 02 measures them; times are said where it is given.
    Raises ValueError for a speed that is no positive number.
    """
    if speed is not None and not (math.isfinite(speed) and speed > 0):
        raise ValueError(f"speed is a number of multiply-adds a second, more than 0; got {speed!r}")
    config = {
        "frames": FRAMES, "size": SIZES, "patch": PATCHES, "tubelet": TUBELETS, "width": WIDTHS, "depth": DEPTHS,
        "start": setting(), "published": published(),
        "task": task_words("Train a whole ViT-B (768 wide, 12 blocks) on 256 frames of 224 × 224 in patches of 16 × 16 "
                           "within the memory of a T4.",
                           says="Training keeps vectors of every token, not pairs: that is why dividing the attention "
                                "did not help, and checkpointing or tubelets did.")
        | {"frames": 256, "size": 224, "patch": 16, "width": 768, "depth": 12, "bytes": T4},
    }
    return assemble("clip_cost", uses=("chart",), title=TITLE, config=config, still=still(),
                    payload=json.dumps({"speed": speed}).encode())


def setting(frames: int = 8, size: int = 224, patch: int = 16, tubelet: int = 1, width: int = 768, depth: int = 12,
            kind: str = "joint") -> dict[str, int]:
    """The places of these values in their lists; to look at the clip, without stored scores."""
    widths = [one for one, _ in WIDTHS]
    return {"frames": FRAMES.index(frames), "size": SIZES.index(size), "patch": PATCHES.index(patch),
            "tubelet": TUBELETS.index(tubelet), "width": widths.index(width), "depth": DEPTHS.index(depth),
            "kind": KINDS.index(kind), "purpose": 0, "stored": 0}


def published() -> list[dict]:
    """Models with the multiply-adds that were printed about them, each at its own setting."""
    rows = {row.name: 1e9 * row.gmacs for row in TABLE if row.gmacs}
    models = {row.name: setting(row.frames, row.image_size, kind=row.attention) for row in PUBLISHED_TIMESFORMER}
    models |= {"ViT-B/16": setting(1), "ViT-L/16": setting(1, width=1024, depth=24),
               "ViViT-B/16x2, model 1": setting(32, tubelet=2),
               "VideoMAE ViT-B": setting(16, tubelet=2), "VideoMAE ViT-L": setting(16, tubelet=2, width=1024, depth=24)}
    return [{"name": name, "setting": one, "macs": rows[name]} for name, one in models.items()]


def still() -> str:
    """The picture that stands there without scripts: the chart of the clip at which the explorer starts."""
    axis = [t for t in FRAMES if t <= 256]
    curves = {kind: [timesformer_cost(frames=t, attention=kind).macs for t in axis] for kind in KINDS}
    tokens, macs = clip_cost(frames=8)[:2]
    picture = cost_curves(axis, curves)
    return figure_html(picture, caption=f"{TITLE} (a still picture: run this cell to explore)", alt=(
        f"Multiply-adds over frames for joint, divided and space-only attention. At 8 frames of 224 pixels, {tokens:,} "
        f"tokens, joint attention costs {macs / 1e9:.0f} G."))
