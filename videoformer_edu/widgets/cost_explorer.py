"""What does the time axis cost? Frames, resolution, patch and width against pairs, multiply-adds and memory."""

from __future__ import annotations

import base64
import functools
import html
import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from videoformer_edu.cost import PUBLISHED_TIMESFORMER, Cost, crossing, timesformer_cost
from videoformer_edu.figures.cost import LINES
from videoformer_edu.figures.style import INK, MUTED, house_style, new_figure
from videoformer_edu.widgets.kernel import KernelExplorer, choice_slider

FRAMES = (1, 2, 4, 8, 16, 32, 64, 96, 128)
IMAGE_SIZES = (224, 320, 448)
PATCH_SIZES = (8, 16, 32)
WIDTHS = {192: 3, 384: 6, 768: 12}  # width -> heads, 12 blocks each
SIZES = {192: "Ti", 384: "S", 768: "B"}  # as the ViT of that width is called
NAMES = {"joint": "joint", "divided": "divided", "space_only": "space only"}
CROSSING_LIMIT = 512


def cost_explorer() -> KernelExplorer:
    """Sliders for frames, resolution, patch and width around `render`; starts at the published TimeSformer."""
    controls = {
        "frames": choice_slider("frames", FRAMES, 8),
        "image_size": choice_slider("resolution", [(f"{s} × {s}", s) for s in IMAGE_SIZES], 224),
        "patch_size": choice_slider("patch", [(f"{s} × {s}", s) for s in PATCH_SIZES], 16),
        "width": choice_slider("width", [(f"{d} ({SIZES[d]})", d) for d in WIDTHS], 768),
    }
    return KernelExplorer(render, controls, title="What does a TimeSformer of 12 blocks cost?")


def render(*, frames: int, image_size: int, patch_size: int, width: int) -> str:
    """The page for one setting: the tokens, the picture, the table, and which attention is cheaper, in words."""
    model = dict(image_size=image_size, patch_size=patch_size, width=width, heads=WIDTHS[width])
    costs = {a: timesformer_cost(frames=frames, attention=a, **model) for a in LINES}
    side = image_size // patch_size
    tokens = costs["joint"].tokens
    one = "1 frame" if frames == 1 else f"{frames} frames"
    first = (f"{one} of {image_size} × {image_size} pixels in {patch_size} × {patch_size} patches: "
             f"{frames} × {side} × {side} = {tokens - 1:,} patches and CLS, <b>{tokens:,} tokens</b>.")
    verdict = _verdict(costs, frames, crossing(limit=CROSSING_LIMIT, **model))
    alt = ("Multiply-adds against frames, and the same compared with space-only attention, all axes logarithmic, at "
           f"{image_size} pixels, patch {patch_size}, width {width}. At {one}: "
           + ", ".join(f"{NAMES[a]} {giga(c.macs)}" for a, c in costs.items()) + ". Three published models are marked.")
    return (f'<div style="max-width:720px;font-size:13px;line-height:1.45"><p style="margin:4px 0">{first}</p>'
            f'{picture(frames, image_size, patch_size, width, alt)}{_table(costs)}'
            f'<p style="margin:6px 0;font-weight:500">{verdict}</p></div>')


def _verdict(costs: dict[str, Cost], frames: int, start: int | None) -> str:
    joint, divided = costs["joint"].macs, costs["divided"].macs
    low, high = min(joint, divided), max(joint, divided)
    cheaper = "Divided" if divided < joint else "Joint"
    now = f"{cheaper} attention is cheaper here, by a factor of {high / low:.2f}."
    if high < 1.005 * low:
        now = "Joint and divided attention cost the same here, within half a per cent."
    if start is None:
        return f"{now} Up to {CROSSING_LIMIT} frames joint stays the cheaper one."
    if start == 1:
        return f"{now} At this size divided is cheaper for any number of frames."
    reason = " (below that, its further projections cost more than the pairs it saves)" if frames < start else ""
    return f"{now} At this size divided is cheaper from {start} frames on{reason}."


def _table(costs: dict[str, Cost]) -> str:
    cell = 'style="text-align:right;padding:2px 10px;font-variant-numeric:tabular-nums"'
    left = "text-align:left;padding:2px 10px;border-left:5px solid"
    titles = ("query-key pairs<br>of a block", "multiply-adds<br>of the model", "scores of a block,<br>if stored")
    head = "".join(f'<th scope="col" {cell}>{title}</th>' for title in titles)
    rows = ""
    for a, cost in costs.items():
        numbers = (count(cost.pairs), giga(cost.macs), memory(cost.attention_bytes))
        cells = "".join(f"<td {cell}>{number}</td>" for number in numbers)
        rows += f'<tr><th scope="row" style="{left} {LINES[a][0]}">{NAMES[a]}</th>{cells}</tr>'
    style = "border-collapse:collapse;font-size:inherit;margin:4px 0"
    return f'<table style="{style}"><tr><td></td>{head}</tr>{rows}</table>'


# ------------------------------------------------------------------------------------------------ numbers in words


def _short(value: float) -> str:
    """Three digits, thousands parted by commas: 0.512, 5.12, 51.2, 512, 5,120."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.3g}"


def count(value: int) -> str:
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{_short(value / size)} {name}"
    return f"{value:,}"


def giga(macs: int) -> str:
    """Multiply-adds: 196 G, 1.7 T."""
    return f"{_short(macs / 1e12)} T" if macs >= 1e13 else f"{_short(macs / 1e9)} G"


def memory(size: int) -> str:
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{_short(size / unit)} {name}"
    return f"{_short(size / 1e3)} kB"


# ------------------------------------------------------------------------------------------------------ the picture


@functools.cache
def _canvas():
    """The Figure that is used again and again: what never changes is drawn once and kept as `background`."""
    with house_style():
        figure = new_figure(180, 82)
        left, right = figure.subplots(1, 2, width_ratios=[5, 4])
        for axes in (left, right):
            axes.set(xscale="log", yscale="log", xlim=(0.85, 160), xlabel="frames")
            axes.set_xticks(FRAMES[:7] + FRAMES[8:], FRAMES[:7] + FRAMES[8:])
        left.set(title="multiply-adds of a clip", ylim=(0.05, 2e7))
        left.set_yticks([10.0**i for i in range(-1, 8)], ["0.1 G", "1 G", "10 G", "100 G", "1 T", "10 T", "100 T",
                                                          "1,000 T", "10,000 T"])
        right.set(title="compared with space only", ylim=(0.8, 400))
        right.set_yticks([1, 2, 5, 10, 20, 50, 100, 200], [f"× {i}" for i in (1, 2, 5, 10, 20, 50, 100, 200)])
        for axes in (left, right):
            axes.minorticks_off()
            axes.grid(True)
        for row, (dx, dy) in zip(PUBLISHED_TIMESFORMER, ((-6, 10), (-6, 10), (8, 15)), strict=True):
            left.plot(row.frames, row.gmacs, "D", color="none", markeredgecolor=INK, markersize=11)
            left.annotate(row.name, (row.frames, row.gmacs), (dx, dy), textcoords="offset points", fontsize=8,
                          ha="right")
        moving = []
        for axes in (left, right):
            moving.append((axes, axes.axvline(8, color=MUTED, linewidth=1)))
            for a, (colour, dashes) in LINES.items():
                moving.append((axes, axes.plot([], [], dashes, color=colour, label=NAMES[a])[0]))
                moving.append((axes, axes.plot([], [], "o", color=colour, markeredgecolor="white", markersize=8)[0]))
        left.legend(loc="upper left")
        for _, artist in moving:
            artist.set_animated(True)
        figure.canvas.draw()
    return figure, moving, figure.canvas.copy_from_bbox(figure.bbox)


def draw(frames: int, image_size: int, patch_size: int, width: int) -> Image.Image:
    """Cost against frames for the three attentions, this setting and the published models marked."""
    figure, moving, background = _canvas()
    model = dict(image_size=image_size, patch_size=patch_size, width=width, heads=WIDTHS[width])
    t = np.unique(np.rint(np.geomspace(FRAMES[0], FRAMES[-1], 30)).astype(int).tolist() + [frames])
    gmacs = {a: np.array([timesformer_cost(frames=int(i), attention=a, **model).macs / 1e9 for i in t])
             for a in LINES}
    here = int(np.flatnonzero(t == frames)[0])
    artists = iter(artist for _, artist in moving)
    for unit in (1.0, gmacs["space_only"]):  # the left axes, then the right ones
        next(artists).set_xdata([frames, frames])
        for values in gmacs.values():
            next(artists).set_data(t, values / unit)
            next(artists).set_data([frames], (values / unit)[here:here + 1])
    figure.canvas.restore_region(background)
    for axes, artist in moving:
        axes.draw_artist(artist)
    return Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")


def picture(frames: int, image_size: int, patch_size: int, width: int, alt: str) -> str:
    """The `<img>`; 64 colours and fast packing, because it is sent with every step of a slider."""
    image = draw(frames, image_size, patch_size, width)
    buffer = io.BytesIO()
    image.quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(buffer, "png", compress_level=6)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (f'<img alt="{html.escape(alt)}" width="{image.width}" height="{image.height}" '
            f'style="max-width:100%;height:auto" src="data:image/png;base64,{data}">')


def figure() -> Figure:
    """The Figure behind the pictures, for tests of what it shows."""
    return _canvas()[0]
