"""A clip in several orders of its frames, and what a model says of each: the page explorer that opens the course."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from videoformer_edu.data.motion.clips import MotionBatch
from videoformer_edu.figures.attention import for_display
from videoformer_edu.figures.show import as_image, figure_html
from videoformer_edu.widgets.page_explorer import PageExplorer, assemble
from videoformer_edu.widgets.still import GAP, WIDTH, strip
from videoformer_edu.widgets.task import task_words

SHUFFLES = 12
ARROWS = {"E": "→", "W": "←", "S": "↓", "N": "↑", "SE": "↘", "NW": "↖", "SW": "↙", "NE": "↗"}
TASK = task_words("Find an order of these frames for which the model is sure of the opposite direction.",
                  says="The same frames, the opposite answer: it is their order that the model reads.")


def orders_of(t: int) -> dict[str, list[list[int]]]:
    """The orders of `t` frames to choose from, by kind: as filmed, backwards, shuffled, one frame standing still."""
    generator = torch.Generator().manual_seed(t)
    shuffled: list[list[int]] = []
    while len(shuffled) < SHUFFLES:
        order = torch.randperm(t, generator=generator).tolist()
        if order not in (sorted(order), sorted(order)[::-1], *shuffled):
            shuffled.append(order)
    filmed = list(range(t))
    return {"as filmed": [filmed], "backwards": [filmed[::-1]], "shuffled": shuffled, "one frame": [[t // 2] * t]}


def order_explorer(batch: MotionBatch, classes: Sequence[str], answer: Callable[[Tensor], Tensor], *, title: str,
                   alt: str) -> PageExplorer:
    """What a model says of clips of moving digits when their frames come in another order.

    batch: a few clips `(b, c, t, h, w)` uint8 with their direction and digit. classes: the names of the directions,
    opposite ones side by side. answer: clips -> shares `(b, class)`, asked for every clip in every order.
    title: a question, above the explorer. alt: what the still picture (the first clip) shows, in words.
    Raises ValueError when the answers are no shares of these classes, alt is empty or the title is no question.
    """
    kinds = orders_of(batch.clips.shape[2])
    orders = [order for kind in kinds.values() for order in kind]
    shares = torch.stack([answer(batch.clips[:, :, order]) for order in orders], dim=1)  # (b, order, class)
    expected = (len(batch.clips), len(orders), len(classes))
    if tuple(shares.shape) != expected or not torch.allclose(shares.sum(-1), torch.ones(expected[:2]), atol=1e-4):
        raise ValueError(f"answer gives shares (b, class) that sum to 1 for each clip, {expected[0]} x {expected[2]} "
                         f"here; got {tuple(shares[:, 0].shape)}: is a softmax over the classes missing?")
    pixels = for_display(rearrange(batch.clips, "b c t h w -> (b t) h w c").numpy())
    t = batch.clips.shape[2]
    film, (width, height) = strip(pixels, WIDTH // t)
    clips = [{"name": f"clip {i}: a {digit}", "truth": direction}
             for i, (digit, direction) in enumerate(zip(batch.digit.tolist(), batch.direction.tolist(), strict=True))]
    config = {
        "t": t, "film": film, "frameWidth": width, "frameHeight": height,
        "classes": [f"{ARROWS[name]} {name}" for name in classes], "clips": clips, "task": TASK,
        "kinds": [{"name": name, "orders": kind} for name, kind in kinds.items()],
    }
    said = classes[int(shares[0, 0].argmax())]
    still = figure_html(still_strip(pixels[:t]), alt=alt,
                        caption=f"{title} As filmed, the model says {said}. (A still picture: run this cell to play.)")
    return assemble("order", uses=("bars",), title=title, config=config, still=still,
                    payload=shares.mul(255).round().byte().numpy().tobytes(), remedy="(show fewer clips)")


def still_strip(pixels) -> Image.Image:
    """The frames of one clip side by side, as wide as the page."""
    side = WIDTH // len(pixels) - GAP
    page = Image.new("RGB", (len(pixels) * (side + GAP) - GAP, side), "white")
    for i, frame in enumerate(pixels):
        page.paste(as_image(frame).resize((side, side), Image.Resampling.NEAREST), (i * (side + GAP), 0))
    return page
