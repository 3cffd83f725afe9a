"""How a picture reaches the page: one HTML figure with words for those who cannot see it.

`show(figure, alt=..., caption=...)` is the only way a lesson shows a picture. Alt text reaches the reader of a notebook
through `<img alt>` alone (the front ends drop it from plain image outputs), so the picture travels inside HTML, as
WebP. The same picture gives the same bytes: no date, no software name, no chance.

A figure has two pixels for each that is shown, so that its letters stay sharp on fine screens and enlarged pages. On a
dark page its paper and its ink are exchanged, hues kept, but for the areas of photographs and of maps that begin dark.
"""

from __future__ import annotations

import base64
import html
import io
import sys

import numpy as np
from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from PIL import Image, ImageColor

from videoformer_edu.figures.style import CYCLE, DPI, SEQUENTIAL, house_style

SHARP = 2  # pixels of a plot for each that is shown, across and down
PHOTOGRAPHIC = 60  # quality of the compression that pictures with photographs may take
DARK = "{backdrop-filter:invert(.93) hue-rotate(180deg)}"
# A dark page, as JupyterLab and the pages made of it, VS Code and Colab say it, or the reader's own system where the
# page says nothing. It stands with every figure: in Colab each output is a page of its own.
FOLLOWS = (
    "<style>.vfe-plot{display:inline-block;position:relative;max-width:100%;background:#fff}"
    ".vfe-plot img{display:block}.vfe-plot i{position:absolute;inset:0;pointer-events:none}"
    f":is([data-jp-theme-light=false],.vscode-dark,[theme=dark]) .vfe-plot i{DARK}@media (prefers-color-scheme:dark)"
    f"{{body:not([data-jp-theme-light],[data-vscode-theme-kind]) .vfe-plot i{DARK}}}</style>"
)


def show(figure: Figure, *, alt: str, caption: str | None = None, width: int | None = None) -> None:
    """Display a matplotlib Figure with its alt text, and close it.

    alt: what the picture says, in words (not "a plot"). caption: a sentence below it. width: in CSS pixels, otherwise
    100 for an inch. Raises ValueError when alt is empty.
    """
    if not isinstance(figure, Figure):
        raise TypeError(f"show takes a matplotlib Figure, got {type(figure).__name__}; "
                        "an Axes has .figure, and pixels go to show_image")
    _show(figure, alt=alt, caption=caption, width=width)
    if "matplotlib.pyplot" in sys.modules:  # a figure made with pyplot would be shown a second time by the notebook
        sys.modules["matplotlib.pyplot"].close(figure)


def show_image(image, *, alt: str, caption: str | None = None, width: int | None = None) -> None:
    """Display a PIL image or a uint8 array `(h, w)` or `(h, w, 3)`, pixel by pixel; `width` in CSS pixels enlarges it.

    What is enlarged stays exact; what is not, and has many colours, is packed as a photograph where that is smaller.
    Raises ValueError when alt is empty, TypeError when the array is not uint8 pixels.
    """
    _show(as_image(image), alt=alt, caption=caption, width=width)


def _show(picture: Figure | Image.Image, *, alt: str, caption: str | None, width: int | None) -> None:
    markup = figure_html(picture, alt=alt, caption=caption, width=width, photographs=True)
    display({"text/html": markup, "text/plain": alt.strip()}, raw=True)


def figure_html(picture: Figure | Image.Image, *, alt: str, caption: str | None = None,
                width: int | None = None, photographs: bool = False) -> str:
    """`<figure><img alt width height src><figcaption></figure>`, the picture inside it as a data address.

    photographs: pixels that are not enlarged may change a little, if that makes them smaller.
    """
    low = "" if caption is None else (
        f'<figcaption style="margin-top:4px;font-size:90%;opacity:.85">{html.escape(caption, quote=False)}</figcaption>'
    )
    img = img_html(picture, alt=alt, width=width, photographs=photographs)
    return f'<figure style="margin:8px 0">{img}{low}</figure>'


def img_html(picture: Figure | Image.Image, *, alt: str, width: int | None = None, photographs: bool = False) -> str:
    """The `<img>` alone, with what a Figure needs to follow a dark page. Its size is stated, so that the page does not
    jump when it arrives."""
    if not alt or not alt.strip():
        raise ValueError("alt is empty; say in a sentence what the picture shows, for readers who cannot see it")
    plot = isinstance(picture, Figure)
    pixels = rasterise(picture, times=SHARP) if plot else picture
    shown = round(pixels.width / (SHARP if plot else 1)) if width is None else int(width)
    if shown < 1:
        raise ValueError(f"width is a number of pixels of at least 1, got {width}")
    height = max(1, round(pixels.height * shown / pixels.width))
    enlarged = ";image-rendering:pixelated" if shown > pixels.width else ""
    photographs = not enlarged and (any(_is_photograph(image) for axes in picture.axes for image in axes.images)
                                    if plot else photographs)
    data = base64.b64encode(packed(pixels, photographs=photographs)).decode()
    img = (f'<img alt="{html.escape(alt.strip())}" width="{shown}" height="{height}" '
           f'style="max-width:100%;height:auto;aspect-ratio:{shown}/{height}{enlarged}" '  # whole pixels, no hairline
           f'src="data:image/webp;base64,{data}">')
    return f'{FOLLOWS}<span class="vfe-plot">{img}<i style="{_all_but(_kept(picture))}"></i></span>' if plot else img


def _is_photograph(picture) -> bool:
    """Pixels, in colours of their own or in grey, rather than numbers in a map of colours."""
    return np.ndim(picture.get_array()) == 3 or picture.get_cmap().name in ("gray", "grey")


def _kept(figure: Figure) -> list[tuple[float, float, float, float]]:
    """What a dark page leaves as it is: left, top, right, bottom, in shares of a figure that has been drawn.

    These are the axes of photographs and of maps that begin dark, and the bars that say their colours.
    """
    bars = {axes: axes._colorbar.mappable.axes for axes in figure.axes if getattr(axes, "_colorbar", None)}
    dark = [axes for axes in figure.axes if axes not in bars
            and any(_is_photograph(picture) or picture.get_cmap().name == SEQUENTIAL
                    for picture in [*axes.images, *(c for c in axes.collections if isinstance(c, QuadMesh))])]
    dark += [bar for bar, of in bars.items() if of in dark]
    boxes = (axes.get_window_extent().transformed(figure.transFigure.inverted()) for axes in dark)
    return [(box.x0, 1 - box.y1, box.x1, 1 - box.y0) for box in boxes]


def _all_but(boxes: list[tuple[float, float, float, float]]) -> str:
    """The style of an area with holes: one line that goes around the whole, then around each box and back."""
    corners = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]
    for left, top, right, bottom in boxes:
        corners += [(left, top), (right, top), (right, bottom), (left, bottom), (left, top), (0, 0)]
    return f'clip-path:polygon(evenodd,{",".join(f"{100 * x:.2f}% {100 * y:.2f}%" for x, y in corners)})'


def rasterise(figure: Figure, *, times: int = 1) -> Image.Image:
    """The pixels of a Figure, 100 dots an inch or so many `times` as many, on white."""
    figure.set_dpi(times * DPI)
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


def packed(image: Image.Image, *, photographs: bool = False) -> bytes:
    """WebP: the smallest of true colour, of 256 chosen colours and, with `photographs`, of what changes every pixel a
    little; nothing in the file but pixels. Up to 256 colours stay exact.

    The house's colours are among the chosen ones: an outline of a few pixels would else take the nearest colour
    of the picture below it, and then say something else. The others cover what there is, however rare: a patch of amber
    says a number, and a thousand shades of leaves say nothing.
    """
    image = image.convert("RGB")
    pixels = np.asarray(image)  # (h, w, 3)
    places = ((colour, (pixels == colour).all(-1)) for colour in map(ImageColor.getrgb, CYCLE))
    marks = [(colour, place) for colour, place in places if place.any()]
    chosen = image.quantize(256 - len(marks), method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few = np.array(chosen.convert("RGB"))  # (h, w, 3)
    for colour, place in marks:
        few[place] = colour
    ways = [_webp(image, lossless=True), _webp(Image.fromarray(few), lossless=True)]
    if photographs and image.getcolors(256) is None:
        ways.append(_webp(image, quality=PHOTOGRAPHIC))
    return min(ways, key=len)


def _webp(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="webp", method=4, **options)
    return buffer.getvalue()
