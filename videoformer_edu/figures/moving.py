"""A clip that moves on the page: one small animated picture, which plays a few seconds and then rests."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from IPython.display import display
from PIL import Image

from videoformer_edu.figures.show import as_frames, figure_html

REST_AFTER = 5.0  # seconds; what moves for longer must have a pause button (WCAG 2.2.2)


def animation(clip, *, fps: float, width: int | None = None, quality: int = 30) -> bytes:
    """uint8 `(t, h, w, 3)` as an animated WebP that plays as often as fits into five seconds, at least once.

    Frames wider than `width` pixels are scaled down to it.
    """
    pixels = as_frames(clip)
    if not fps > 0:
        raise ValueError(f"fps is {fps}; expected a number of frames per second above 0")
    pictures = [Image.fromarray(np.ascontiguousarray(frame)) for frame in pixels]
    if width is not None and width < pixels.shape[2]:
        height = max(1, round(pixels.shape[1] * width / pixels.shape[2]))
        pictures = [picture.resize((width, height), Image.Resampling.BOX) for picture in pictures]
    first, *others = pictures
    plays = max(1, int(REST_AFTER * fps / len(pixels)))
    buffer = io.BytesIO()
    first.save(buffer, "webp", save_all=True, append_images=others, duration=round(1000 / fps), loop=plays,
               quality=quality, method=6)
    return buffer.getvalue()


def moving_html(clip, *, fps: float, alt: str, caption: str | None = None, width: int | None = None) -> str:
    """The figure of `show`, with the moving picture in the place of its first frame; that stays where the reader has
    asked for less motion."""
    still = figure_html(Image.fromarray(np.asarray(clip)[0]), alt=alt, caption=caption, width=width, photographs=True)
    data = base64.b64encode(animation(clip, fps=fps, width=width)).decode()
    image, first = re.search(r'<img [^>]*src="(data:[^"]*)">', still).group(0, 1)
    moving = image.replace(first, f"data:image/webp;base64,{data}")
    return still.replace(image, '<picture><source media="(prefers-reduced-motion: reduce)" '
                                f'srcset="{first}">{moving}</picture>')


def show_moving(clip, *, fps: float, alt: str, caption: str | None = None, width: int | None = None) -> None:
    """Display a clip `(t, h, w, 3)` as a moving picture with its alt text. Running the cell again plays it again."""
    markup = moving_html(clip, fps=fps, alt=alt, caption=caption, width=width)
    display({"text/html": markup, "text/plain": alt.strip()}, raw=True)
