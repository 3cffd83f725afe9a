"""CLS in the spatial attention of TimeSformer: one copy in each frame, and the mean of their updates."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

from IPython.display import display

from videoformer_edu.figures.architecture import LINE, line, mixed, said
from videoformer_edu.figures.style import CLS, SPACE

CELL, ROW, GAP = (64, 26, 22)  # pixels: width and height of a token, space between two frames


def cls_copies(frames: Sequence[str], places: Sequence[str], *, columns: int = 2) -> str:
    """An SVG: CLS above, a copy of it among the tokens of each frame, and CLS again below, the mean.

    frames: their names; places: the names of the patches of a frame, row by row, `columns` in a row.
    """
    rows = -(-len(places) // columns)
    wide, high = columns * (CELL + 4) + 12, (rows + 1) * (ROW + 4) + 34
    width = len(frames) * wide + (len(frames) - 1) * GAP + 4
    middle, top = width / 2, 1 + ROW + 46
    mean = top + high + 44
    parts = []
    for i, name in enumerate(frames):
        left = 2 + i * (wide + GAP)
        centre = left + wide / 2
        parts.append(f'<rect class="frame" x="{left}" y="{top}" width="{wide}" height="{high}" rx="8" fill="{LINE}" '
                     f'fill-opacity=".12" stroke="{LINE}"/>')
        parts.append(line(f"M{middle} {1 + ROW}L{centre} {top + 4}") + head(centre, top + 8))
        parts.append(line(f"M{centre} {top + high}L{middle} {mean - 14}"))
        parts.append(token("copy", f"CLS in {name}", centre - 46, top + 8, 92, CLS))
        for number, place in enumerate(places):
            row, column = divmod(number, columns)
            parts.append(token("patch", place, left + 8 + column * (CELL + 4), top + (row + 1) * (ROW + 4) + 8, CELL,
                               SPACE))
        parts.append(on_ground(f"{name}: all look at all", centre, top + high - 22, wide - 12))
    parts.append(on_ground("one copy for each frame", middle, 1 + ROW + 12, 168))
    parts.append(on_ground("mean of the updates", middle, mean - 18, 144))
    parts.append(line(f"M{middle} {mean}V{mean + 14}") + head(middle, mean + 16))
    parts.append(token("cls", "CLS", middle - 32, 1, 64, CLS))
    parts.append(token("cls", "update of CLS", middle - 55, mean + 16, 110, CLS))
    height = mean + 16 + ROW + 2
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            f'font-family="sans-serif" font-size="12" text-anchor="middle">{"".join(parts)}</svg>')


def token(kind: str, text: str, left: float, top: float, width: float, colour: str) -> str:
    return (f'<rect class="{kind}" x="{left:.1f}" y="{top}" width="{width}" height="{ROW}" rx="4" '
            f'fill="{mixed(colour, 0.4)}" stroke="{LINE}"/>' + said(text, left + width / 2, top + 17))


def on_ground(text: str, x: float, y: float, width: float) -> str:
    """Words on white, so that they read on any page."""
    return (f'<rect class="words" x="{x - width / 2:.1f}" y="{y}" width="{width}" height="18" rx="9" fill="white" '
            f'stroke="{LINE}" stroke-width=".8"/>' + said(text, x, y + 13))


def head(x: float, y: float) -> str:
    return f'<path d="M{x - 4} {y - 6}h8l-4 6Z" fill="{LINE}"/>'


def show_cls_copies(frames: Sequence[str], places: Sequence[str], *, columns: int = 2, caption: str) -> None:
    """Show the drawing with its words."""
    alt = (f"CLS is copied into the frames {', '.join(frames)}. In each of them its copy and the patches "
           f"{', '.join(places)} look at each other. The mean of the updates of its copies is the update of CLS.")
    svg = base64.b64encode(cls_copies(frames, places, columns=columns).encode()).decode()
    page = (f'<figure style="margin:8px 0"><img alt="{html.escape(alt)}" style="max-width:100%;height:auto" '
            f'src="data:image/svg+xml;base64,{svg}"><figcaption style="opacity:.85">{html.escape(caption, quote=False)}'
            "</figcaption></figure>")
    display({"text/html": page, "text/plain": alt}, raw=True)
