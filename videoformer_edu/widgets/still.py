"""Frames as pixels for an explorer: the film strip that its script draws from, and the still picture in its place."""

from __future__ import annotations

import base64
import io
import math

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from videoformer_edu.figures.show import as_image
from videoformer_edu.figures.style import QUERY, SEQUENTIAL
from videoformer_edu.tokens import Grid

WIDTH = 720  # CSS pixels of a full row of frames
GAP = 6
OVERLAY = 0.8  # how much of the frame a patch's colour covers where attention is largest
VEIL = 0.55  # ... and where there is none, as a part of that: the frame stays visible


def still_picture(pixels: np.ndarray, shares: Tensor, grid: Grid, query: int) -> Image.Image:
    """The frames side by side, the mean of the heads of `shares (head, q, t, h, w)` over them, the query outlined.

    grid: the queries'. A time step of a map lies over all the frames that it stands for.
    """
    t = len(pixels)
    cls = shares.shape[1] > grid.l
    row = shares[:, max(0, query + int(cls))].mean(0)  # (t, h, w)
    if query < 0 and not cls:
        row = torch.zeros_like(row)
    relative = (row / row.max().clamp_min(1e-12)).cpu().numpy()
    columns = columns_of(t)
    side = (WIDTH - GAP * (columns - 1)) // columns if t > 1 else 360
    height = round(side * pixels.shape[1] / pixels.shape[2])
    page = Image.new("RGB", (columns * (side + GAP) - GAP, math.ceil(t / columns) * (height + GAP) - GAP), "white")
    for i in range(t):
        frame = _resize(as_image(pixels[i]), (side, height))
        step = relative[i * len(relative) // t]  # (h, w)
        heat = matplotlib.colormaps[SEQUENTIAL](step, alpha=OVERLAY * (VEIL + (1 - VEIL) * step))  # (h, w, 4)
        heat = Image.fromarray(np.rint(255 * heat).astype(np.uint8)).resize((side, height), Image.Resampling.NEAREST)
        frame.paste(heat.convert("RGB"), mask=heat.getchannel("A"))
        if query >= 0 and query // grid.n == i * grid.t // t:
            _outline(frame, query % grid.n // grid.w, query % grid.w, grid.h, grid.w)
        page.paste(frame, ((side + GAP) * (i % columns), (height + GAP) * (i // columns)))
    return page


def _outline(frame: Image.Image, row: int, column: int, h: int, w: int) -> None:
    width, height = frame.size
    box = (column * width // w, row * height // h, (column + 1) * width // w - 1, (row + 1) * height // h - 1)
    draw = ImageDraw.Draw(frame)
    draw.rectangle(box, outline="black", width=4)
    draw.rectangle([box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1], outline=QUERY, width=2)


def _resize(frame: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Small frames are enlarged pixel by pixel, large ones made smaller smoothly."""
    return frame.resize(size, Image.Resampling.NEAREST if frame.width < size[0] else Image.Resampling.LANCZOS)


def columns_of(t: int) -> int:
    """Frames in one row of the page."""
    return t if t <= 5 else math.ceil(t / 2) if t <= 12 else math.ceil(t / 3)


def strip(pixels: np.ndarray, shown: int) -> tuple[str, tuple[int, int]]:
    """All frames in one row as a data address, no larger than needed on a fine screen, and the size of one frame."""
    t, height, width = pixels.shape[:3]
    factor = min(1.0, 1.5 * shown / width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    film = Image.new("RGB", (t * size[0], size[1]))
    for i in range(t):
        film.paste(as_image(pixels[i]).resize(size, Image.Resampling.LANCZOS), (i * size[0], 0))
    buffer = io.BytesIO()
    kind = "png" if width <= 100 else "jpeg"  # pixels that are seen one by one stay exact
    film.save(buffer, format=kind, optimize=True, **({} if kind == "png" else {"quality": 85}))
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}", size
