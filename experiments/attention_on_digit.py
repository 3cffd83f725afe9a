"""How much of a model's attention falls on the digit.

The generators know where the digit is. `coverage` turns that into the share of each patch that the digit's square
covers; attention spread evenly would put the mean coverage on the digit, and that is the chance level.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import reduce
from torch import Tensor, nn

from experiments.material import HELD_OUT, REPORT_SEED
from videoformer_edu.attention.patterns import Temporal
from videoformer_edu.attention.recording import record_attention
from videoformer_edu.data.motion import motion_batch
from videoformer_edu.data.motion.images import digit_images
from videoformer_edu.data.motion.rendering import FRAME, SPRITE_WIDTH, coverage
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.models import ViViT


def on_digit(looks: Tensor, covered: Tensor) -> dict[str, list[float] | float]:
    """Where `looks (b, head, t, h, w)` falls, measured against `covered (b, t, h, w)`.

    "mass": the share of the attention on patches that lies on the digit, for each head; "mean_of_heads": the same for
    the mean of the heads; "chance": for attention spread evenly. "peak": how often the patch of a frame that the mean
    of the heads looks at most is more than half covered by the digit; "peak_chance": for a patch taken at random.
    """
    def mass(a: Tensor) -> Tensor:  # (b, ..., t, h, w) -> (b, ...)
        return (a * shaped(a)).sum(dim=(-3, -2, -1)) / a.sum(dim=(-3, -2, -1))

    def shaped(a: Tensor) -> Tensor:
        return covered if a.ndim == 4 else covered[:, None]

    mean = looks.mean(dim=1)  # (b, t, h, w)
    best = mean.flatten(2).argmax(dim=-1, keepdim=True)  # (b, t, 1)
    half = (covered > 0.5).float()
    return {
        "mass": [round(x, 3) for x in mass(looks).mean(dim=0).tolist()],
        "mean_of_heads": round(mass(mean).mean().item(), 3),
        "chance": round(covered.mean().item(), 3),
        "peak": round(half.flatten(2).gather(-1, best).mean().item(), 3),
        "peak_chance": round(half.mean().item(), 3),
    }


def tubes_and_digit(probabilities: Tensor, covered: Tensor) -> list[float]:
    """Does a place look at those of its frames in which the digit is there? For each head, a correlation.

    `probabilities (b, n, head, t, t)` of a temporal attention, `covered (b, t, h, w)`. Over all the places that the
    digit both visits and leaves: the correlation along time between how much a frame is looked at (mean over the
    queries) and how much of the place the digit covers in it. +1: looks where the digit is; -1: where it is not.
    """
    there = covered.flatten(2).transpose(1, 2)  # (b, n, t)
    visited = (there.amax(dim=-1) > 0.5) & (there.amin(dim=-1) < 0.1)  # (b, n)
    looked_at = probabilities.mean(dim=3)[visited]  # (visited, head, t)
    there = there[visited][:, None]  # (visited, 1, t)
    looked_at, there = (x - x.mean(dim=-1, keepdim=True) for x in (looked_at, there))
    return [round(x, 2) for x in F.cosine_similarity(looked_at, there, dim=-1).mean(dim=0).tolist()]


def digit_places(kind: str, count: int, grid: tuple[int, int], *, size: int = FRAME,
                 tubelet: int = 1) -> tuple[Tensor, Tensor]:
    """The first `count` inputs of the report's set, `size` pixels wide and high, and the `coverage` of their patches,
    for `grid` (rows, columns); of tubelets of `tubelet` frames, the mean over their frames.

    A moving digit's own width is not handed out by its generator: the mean width stands for all.
    """
    if kind == "digits":
        drawn = digit_images(HELD_OUT, seed=REPORT_SEED, split="test", size=size)
        pixels, position, width = drawn.images, drawn.position[:, None], drawn.width[:, None]
    else:
        drawn = motion_batch(HELD_OUT, seed=REPORT_SEED, split="test", size=size, task=kind)
        pixels, position = drawn.clips, drawn.position
        width = torch.full(position.shape[:2], 0.9 * SPRITE_WIDTH * size / FRAME)
    covered = coverage(position[:count], width[:count], grid, size, torus=kind != "digits")
    covered = reduce(covered, "b (t s) h w -> b t h w", "mean", s=tubelet)
    return normalise(pixels[:count], MOTION_PIXELS), covered


@torch.inference_mode()
def attention_facts(model: nn.Module, kind: str, count: int = 256, *, size: int = FRAME) -> dict[str, dict]:
    """For attentions of a trained model, on the first `count` examples of the report's set: where CLS looks
    (`on_digit`), or for a temporal attention "presence", one correlation a head (`tubes_and_digit`). Attentions that
    have neither, and those between whole steps, are left out."""
    tubelet, patch = patch_of(model)
    inputs, covered = digit_places(kind, count, (size // patch, size // patch), size=size, tubelet=tubelet)
    model.eval()
    with record_attention(model) as maps:
        model(inputs)
    return {
        name: on_digit(m.cls_looks(), covered) if m.cls else {"presence": tubes_and_digit(m.probabilities, covered)}
        for name, m in maps.items() if (m.cls and m.grid.n > 1) or m.pattern == Temporal()
    }


def patch_of(model: nn.Module) -> tuple[int, int]:
    """Frames of a token, and its rows."""
    if isinstance(model, ViViT):
        frames, rows, _ = model.tubelet_embed.kernel
        return frames, rows
    return 1, model.patch_embed.patch_size
