"""How a picture reaches the page: one HTML figure with words for those who cannot see it.

`show(figure, alt=..., caption=...)` is the only way a lesson shows a picture. Alt text reaches the reader of a notebook
through `<img alt>` alone (the front ends drop it from plain image outputs), so the picture travels inside HTML, as PNG.
The same picture gives the same bytes: no date, no software name, no chance.
"""

from __future__ import annotations

import base64
import html
import io
import sys

import numpy as np
from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageColor

from videoformer_edu.figures.style import CYCLE, DPI, house_style


def show(figure: Figure, *, alt: str, caption: str | None = None, width: int | None = None) -> None:
    """Display a matplotlib Figure with its alt text, and close it.

    alt: what the picture says, in words (not "a plot"). caption: a sentence below it. width: in CSS pixels, otherwise
    one screen pixel a pixel. Raises ValueError when alt is empty.
    """
    _show(rasterise(figure), alt=alt, caption=caption, width=width)
    if "matplotlib.pyplot" in sys.modules:  # a figure made with pyplot would be shown a second time by the notebook
        sys.modules["matplotlib.pyplot"].close(figure)


def show_image(image, *, alt: str, caption: str | None = None, width: int | None = None) -> None:
    """Display a PIL image or a uint8 array `(h, w)` or `(h, w, 3)`, pixel by pixel; `width` in CSS pixels enlarges it.

    Raises ValueError when alt is empty, TypeError when the array is not uint8 pixels.
    """
    _show(as_image(image), alt=alt, caption=caption, width=width)


def _show(image: Image.Image, *, alt: str, caption: str | None, width: int | None) -> None:
    markup = figure_html(image, alt=alt, caption=caption, width=width)
    display({"text/html": markup, "text/plain": alt.strip()}, raw=True)


def figure_html(image: Image.Image, *, alt: str, caption: str | None = None, width: int | None = None) -> str:
    """`<figure><img alt width height src><figcaption></figure>`, the picture inside it as a data address."""
    low = "" if caption is None else (
        f'<figcaption style="margin-top:4px;font-size:90%;opacity:.85">{html.escape(caption, quote=False)}</figcaption>'
    )
    return f'<figure style="margin:8px 0">{img_html(image, alt=alt, width=width)}{low}</figure>'


def img_html(image: Image.Image, *, alt: str, width: int | None = None) -> str:
    """The `<img>` alone; its size is stated, so that the page does not jump when it arrives."""
    if not alt or not alt.strip():
        raise ValueError("alt is empty; say in a sentence what the picture shows, for readers who cannot see it")
    shown = image.width if width is None else int(width)
    if shown < 1:
        raise ValueError(f"width is a number of pixels of at least 1, got {width}")
    height = max(1, round(image.height * shown / image.width))
    enlarged = ";image-rendering:pixelated" if shown > image.width else ""
    data = base64.b64encode(png(image)).decode()
    return (f'<img alt="{html.escape(alt.strip())}" width="{shown}" height="{height}" '
            f'style="max-width:100%;height:auto{enlarged}" src="data:image/png;base64,{data}">')


def rasterise(figure: Figure) -> Image.Image:
    """The pixels of a Figure, 100 dots an inch, on white."""
    if not isinstance(figure, Figure):
        raise TypeError(f"show takes a matplotlib Figure, got {type(figure).__name__}; "
                        "an Axes has .figure, and pixels go to show_image")
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    with house_style():
        figure.draw_without_rendering()  # settles the layout; the first drawing alone may cut off a title
        canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba()))
    page = Image.new("RGBA", pixels.size, "white")
    return Image.alpha_composite(page, pixels).convert("RGB")


def as_image(image) -> Image.Image:
    """A PIL image, or uint8 pixels `(h, w)` or `(h, w, 3)` (array or tensor) as one."""
    if isinstance(image, Image.Image):
        return image.convert("RGB")
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise TypeError(f"pixels are uint8 (h, w) or (h, w, 3), got {pixels.dtype} {tuple(pixels.shape)}; "
                        "a float picture needs (x * 255).round() as uint8, a (c, h, w) one its channels last")
    return Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")


def as_frames(frames) -> np.ndarray:
    """Frames as uint8 `(t, h, w, 3)`, from an array or tensor of that kind. Raises ValueError with what to do."""
    pixels = np.asarray(frames)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3 or not pixels.size:
        raise ValueError(f"frames are uint8 (t, h, w, 3), got {pixels.dtype} {tuple(pixels.shape)}; a picture needs a "
                         "time axis (image[None]), a (c, t, h, w) tensor .permute(1, 2, 3, 0), a (t, c, h, w) one "
                         ".permute(0, 2, 3, 1), floats in 0 ... 1 (x * 255).round() as uint8")
    return pixels


def png(image: Image.Image) -> bytes:
    """The smaller of true colour and 256 chosen colours; nothing in the file but pixels.

    The house's colours are among the chosen ones: an outline of a few pixels would else take the nearest colour
    of the picture below it, and then say something else.
    """
    image = image.convert("RGB")
    pixels = np.asarray(image)  # (h, w, 3)
    places = ((colour, (pixels == colour).all(-1)) for colour in map(ImageColor.getrgb, CYCLE))
    marks = [(colour, place) for colour, place in places if place.any()]
    chosen = image.quantize(256 - len(marks), method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    colours = chosen.getpalette()
    numbers = np.array(chosen)  # (h, w)
    for colour, place in marks:
        numbers[place] = len(colours) // 3
        colours += colour
    palette = Image.fromarray(numbers)
    palette.putpalette(colours)
    return min((_encode(image), _encode(palette)), key=len)


def _encode(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return buffer.getvalue()
