"""Frames as pixels for an explorer: the film strip that its script draws from, and the still picture in its place."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from videoformer_edu.figures.attention import SMOOTH, STRONGEST
from videoformer_edu.figures.show import SHARP, as_image
from videoformer_edu.figures.style import ATTENTION, QUERY
from videoformer_edu.tokens import Grid

WIDTH, HERO = 720, 400  # CSS pixels: a full row of frames, and a picture alone
GAP = 6


def still_picture(pixels: np.ndarray, shares: Tensor, grid: Grid, query: int) -> Image.Image:
    """The frames in rows, the mean of the heads of `shares (head, q, t, h, w)` over them, the query marked.

    grid: the queries'. Two pixels for each that is shown, as in a figure.
    """
    t = len(pixels)
    columns, side, gap = columns_of(t), SHARP * shown_width(t), SHARP * GAP
    height = round(side * pixels.shape[1] / pixels.shape[2])
    page = Image.new("RGB", (columns * (side + gap) - gap, math.ceil(t / columns) * (height + gap) - gap), "white")
    for i, frame in enumerate(frames_under_map(pixels, shares, grid, query, (side, height))):
        page.paste(frame, ((side + gap) * (i % columns), (height + gap) * (i // columns)))
    return page


def frames_under_map(pixels: np.ndarray, shares: Tensor, grid: Grid, query: int,
                     size: tuple[int, int]) -> list[Image.Image]:
    """Each frame, (width, height) large, under what the query (-1: CLS) gives to it, on one scale for all frames.

    shares, grid as in `still_picture`. A time step of a map lies over all the frames that it stands for.
    """
    t, keys = len(pixels), Grid(*shares.shape[2:])
    cls = shares.shape[1] > grid.l
    row = shares[:, query + int(cls)].mean(0) if query >= 0 or cls else torch.zeros(tuple(keys))  # (t, h, w)
    relative = (row / row.max().clamp_min(1e-12)).cpu().numpy()
    amber, best, pictures = Image.new("RGB", size, ATTENTION), int(row.argmax()), []
    for i in range(t):
        frame = _resize(as_image(pixels[i]), size)
        step = i * keys.t // t
        heat = Image.fromarray(np.rint(255 * STRONGEST * relative[step]).astype(np.uint8))
        smooth = Image.Resampling.BILINEAR if max(keys.h, keys.w) >= SMOOTH else Image.Resampling.NEAREST
        frame.paste(amber, mask=heat.resize(size, smooth))
        if query >= 0 and query // grid.n == i * grid.t // t:
            _mark_query(frame, query % grid.n // grid.w, query % grid.w, grid)
        if row.max() > 0 and best // keys.n == step:
            _disc(frame, best % keys.n // keys.w, best % keys.w, keys, (8, "black"), (6, "white"))
        pictures.append(frame)
    return pictures


def _mark_query(frame: Image.Image, row: int, column: int, grid: Grid) -> None:
    """A white ring with a blue core, and the patch in outline."""
    width, height = frame.size
    box = (column * width // grid.w, row * height // grid.h,
           (column + 1) * width // grid.w - 1, (row + 1) * height // grid.h - 1)
    draw = ImageDraw.Draw(frame)
    draw.rectangle(box, outline="black", width=4)
    draw.rectangle([box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1], outline="white", width=2)
    radius = min(16, max(8, 0.18 * width / grid.w))
    _disc(frame, row, column, grid, (radius + 6, "black"), (radius + 4, "white"), (radius, QUERY))


def _disc(frame: Image.Image, row: int, column: int, grid: Grid, *layers: tuple[float, str]) -> None:
    """Discs of one colour over another, in the middle of a patch."""
    x, y = (column + 0.5) * frame.width / grid.w, (row + 0.5) * frame.height / grid.h
    for radius, colour in layers:
        ImageDraw.Draw(frame).ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _resize(frame: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Small frames are enlarged pixel by pixel, large ones made smaller smoothly."""
    return frame.resize(size, Image.Resampling.NEAREST if frame.width < size[0] else Image.Resampling.LANCZOS)


def columns_of(t: int) -> int:
    """Frames in one row of the page: each about 170 pixels wide or more, the rows about equally long."""
    return t if t <= 4 else 3 if t in (5, 6, 9) else 4


def shown_width(t: int) -> int:
    """CSS pixels of one of `t` frames, where the page is wide enough."""
    columns = columns_of(t)
    return HERO if t == 1 else (WIDTH - GAP * (columns - 1)) // columns


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


def film_address(clips: np.ndarray) -> str:
    """`(clips, t, h, w, 3)` uint8 -> a data address: the frames of a clip in a row, the clips below one another."""
    sheet = np.concatenate([np.concatenate(list(clip), axis=1) for clip in clips], axis=0)
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, format="jpeg", quality=80, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def still_frames(pixels: np.ndarray, keep: Tensor, columns: int, shown: int) -> Image.Image:
    """The frames in rows; patches where `keep (t, h, w)` is false are dark. Two pixels for each that is shown."""
    t, h, w = keep.shape
    side, gap = SHARP * shown, SHARP * GAP
    height = round(side * pixels.shape[1] / pixels.shape[2])
    page = Image.new("RGB", (columns * (side + gap) - gap, math.ceil(t / columns) * (height + gap) - gap), "white")
    for i in range(t):
        frame = _resize(as_image(pixels[i]), (side, height))
        dark = Image.fromarray((~keep[i].numpy() * 219).astype(np.uint8)).resize(frame.size, Image.Resampling.NEAREST)
        frame.paste(Image.new("RGB", frame.size, "#24292f"), mask=dark)
        page.paste(frame, ((side + gap) * (i % columns), (height + gap) * (i // columns)))
    return page
