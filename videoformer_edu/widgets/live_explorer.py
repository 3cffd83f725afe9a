"""A video transformer that runs in the page itself: its weights travel with it, nothing is computed elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from videoformer_edu.attention.recording import record_attention
from videoformer_edu.data.motion import DIRECTIONS, MotionBatch
from videoformer_edu.data.motion.digits import digit_sprites
from videoformer_edu.data.motion.photographs import photograph_crops
from videoformer_edu.data.motion.rendering import FRAME, SPRITE_WIDTH
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.figures.attention import COLOUR, MIDDLE, for_display
from videoformer_edu.figures.show import figure_html
from videoformer_edu.models import TimeSformer
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets.maps import maps_for_explorer
from videoformer_edu.widgets.order_explorer import ARROWS
from videoformer_edu.widgets.page_explorer import PageExplorer, assemble
from videoformer_edu.widgets.still import GAP, columns_of, shown_width, still_picture
from videoformer_edu.widgets.task import task_words

PARTS = ("frames", "bars", "timesformer", "moving", "path_pad")
BOUND = 0.01  # a head "does not matter" for a clip when no class's share moves by more than this
TASKS = (
    task_words("Make divided or joint say the opposite, hiding and silencing nothing.",
               says="The same frames, the opposite answer: it is their order that is read."),
    task_words(f"Find a head without which no share of an untouched clip moves by {BOUND:.0%}.".replace("%", " %"),
               says="A head that this clip does not need; another clip may."),
)


def live_explorer(models: Mapping[str, TimeSformer], batch: MotionBatch, *, title: str, alt: str, sprite: int = 0,
                  crop: int = 0) -> PageExplorer:
    """Small TimeSformers that answer while the reader changes the clip and the model, in plain JavaScript.

    models: name -> a trained model with position tables for the clips' own length and size; the page holds its weights
    as 16-bit floats. batch: a few clips `(b, 3, t, h, w)` uint8 with their directions. sprite, crop: the test digit and
    the test photograph of the reader's own path. title: a question. alt: what the still picture shows, in words.
    Raises ValueError for a model that is not of this kind, or when the page would grow by more than 1 MB.
    """
    t, size = batch.clips.shape[2], batch.clips.shape[-1]
    for name, model in models.items():
        _check(name, model, t, size)
    first = next(iter(models.values()))
    patch = first.patch_embed.patch_size
    grid = Grid(t, size // patch, size // patch)
    query = grid.n + grid.n // 2
    sprites = digit_sprites("test")
    background = photograph_crops("test", size)[crop].float() * 0.3
    config = {
        "t": t, "size": size, "patch": patch, "mean": MOTION_PIXELS.mean[0], "std": MOTION_PIXELS.std[0],
        "start": query, "classes": [f"{ARROWS[name]} {name}" for name in DIRECTIONS],
        "models": [{"name": name, "attention": model.attention, "role": model.attention, "d": model.norm.weight.numel(),
                    "heads": _heads(model), "depth": len(model.blocks),
                    "shapes": [[key, value.numel()] for key, value in model.state_dict().items()]}
                   for name, model in models.items()],
        "clips": [{"name": f"clip {i}: a {digit}", "truth": direction} for i, (digit, direction)
                  in enumerate(zip(batch.digit.tolist(), batch.direction.tolist(), strict=True))],
        "mask": sprites.mask.shape[-1],
        "own": {"width": 0.9 * SPRITE_WIDTH * size / FRAME, "colour": [0.95, 0.9, 0.8]},
        "light": {"middle": MIDDLE, "colour": COLOUR}, "bound": BOUND, "tasks": TASKS,
        "frameWidth": size, "frameHeight": size, "pixelated": size <= 100, "columns": columns_of(t),
        "width": columns_of(t) * (shown_width(t) + GAP) - GAP,
    }
    payload = b"".join(weight_bytes(model) for model in models.values())
    payload += batch.clips.transpose(1, 2).contiguous().numpy().tobytes()  # (b, t, 3, h, w)
    payload += sprites.mask[sprite].mul(255).round().byte().numpy().tobytes() + background.byte().numpy().tobytes()
    still = figure_html(_still(first, batch, grid, query), alt=alt, width=config["width"],
                        caption=f"{title} (A still picture: run this cell to try it.)")
    return assemble("live", uses=PARTS, title=title, config=config, still=still, payload=payload,
                    remedy="(show fewer models or clips)")


def weight_bytes(model: TimeSformer) -> bytes:
    """All weights as 16-bit floats, little endian, in the order of the model's state."""
    return b"".join(value.half().numpy().astype("<f2").tobytes() for value in model.state_dict().values())


def _check(name: str, model: TimeSformer, t: int, size: int) -> None:
    if not isinstance(model, TimeSformer):
        raise ValueError(f"{name!r} is a {type(model).__name__}; the page computes TimeSformer models")
    grid = (model.time_positions.table.shape[0] if model.attention != "space_only" else t,
            *(model.patch_embed.patch_size * side for side in model.space_positions.size))
    if grid != (t, size, size):
        raise ValueError(f"{name!r} has positions for {grid[0]} frames of {grid[1]} x {grid[2]} pixels, the clips have "
                         f"{t} of {size} x {size}; the page resizes no table")


def _heads(model: TimeSformer) -> int:
    block = model.blocks[0]
    return (block.spatial_attention.attention if model.attention == "divided" else block.attention).heads


@torch.no_grad()
def _still(model: TimeSformer, batch: MotionBatch, grid: Grid, query: int):
    with record_attention(model) as maps:
        model(normalise(batch.clips[:1], MOTION_PIXELS))
    shown = next(iter(maps_for_explorer(maps).values()))
    return still_picture(for_display(batch.clips[0].permute(1, 2, 3, 0).numpy()), shown.shares, grid, query)
