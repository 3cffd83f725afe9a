"""What the cyclic shift of windows does to a frame: roll, cut, mask, look, roll back."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from videoformer_edu.attention.sparse_patterns import LocalWindow
from videoformer_edu.data.motion.photographs import read_photograph
from videoformer_edu.figures.cube import keys_of
from videoformer_edu.figures.show import as_image, figure_html
from videoformer_edu.figures.style import ATTENTION
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets.page_explorer import PageExplorer, assemble
from videoformer_edu.widgets.still import GAP, WIDTH, strip
from videoformer_edu.widgets.task import task_words

SIZE, INSIDE, SHIFT = 8, 4, 2  # tokens of a frame along each side, of a window, and how far the windows move
QUERY = (1, 6)  # row and column
TASK = task_words("find a shift and a token that shares its window with 15 others and may look at none of them.",
                  says="A shift of one token, or of a window less one, leaves a strip one token wide, whose "
                       "corner is alone. Half a window, as published, leaves no strip narrower than that half.")


def shift_explorer(*, title: str = "What does a shift do?") -> PageExplorer:
    """The explorer of lesson 06: a frame of 8 x 8 tokens of a photograph, in windows of 4 x 4."""
    frame = np.ascontiguousarray(read_photograph("skimage", "data/astronaut.png").permute(1, 2, 0).numpy())  # (h, w, 3)
    film, _ = strip(frame[None], 240)
    config = {"film": film, "size": SIZE, "inside": INSIDE, "shift": SHIFT, "query": QUERY[0] * SIZE + QUERY[1],
              "task": TASK}
    looks = int(keys_of(LocalWindow((1, INSIDE, INSIDE), (0, SHIFT, SHIFT)), Grid(1, SIZE, SIZE), (0, *QUERY)).sum())
    alt = (f"A photograph as {SIZE} x {SIZE} tokens, three times. As it is. Rolled by {SHIFT} up and to the left and "
           f"cut into four windows: its upper edge has come in below. Rolled back, with the {looks} tokens that the "
           f"token in row {QUERY[0]}, column {QUERY[1]} looks at in amber.")
    still = figure_html(panels(frame), alt=alt, caption=f"{title} The frame, rolled and cut, and what one token has "
                                                        "looked at. (A still picture: run this cell to explore.)")
    return assemble("shift", title=title, config=config, still=still)


def panels(frame: np.ndarray) -> Image.Image:
    """The frame, the rolled frame in four windows, and the frame with the keys of the query in amber."""
    side = (WIDTH - 2 * GAP) // 3 // SIZE * SIZE
    cell, half = side // SIZE, side // 2
    picture = as_image(frame).resize((side, side), Image.Resampling.LANCZOS)
    rolled = as_image(np.roll(np.asarray(picture), (-SHIFT * cell, -SHIFT * cell), axis=(0, 1)))
    page = Image.new("RGB", (3 * side + 2 * GAP, side), "white")
    page.paste(picture, (0, 0))
    inner = half - GAP // 2
    for row in (0, 1):
        for column in (0, 1):
            window = rolled.crop((column * half, row * half, (column + 1) * half, (row + 1) * half))
            page.paste(window.resize((inner, inner)), (side + GAP + column * (inner + GAP), row * (inner + GAP)))
    lit = keys_of(LocalWindow((1, INSIDE, INSIDE), (0, SHIFT, SHIFT)), Grid(1, SIZE, SIZE), (0, *QUERY))[0]
    opacity = Image.fromarray((lit.numpy() * 158).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)
    looked = picture.copy()
    looked.paste(Image.new("RGB", (side, side), ATTENTION), mask=opacity)
    y, x = (int((at + 0.5) * cell) for at in QUERY)
    for radius, colour in ((9, "white"), (6, "#0072B2")):
        ImageDraw.Draw(looked).ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    page.paste(looked, (2 * (side + GAP), 0))
    return page
