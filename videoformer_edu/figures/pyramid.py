"""The pyramid of a multiscale model: each stage as a box, as high as its grid, as deep as its channels, and its bill.

The words stand below each box in the page's own letters, so that they follow a light or a dark theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from IPython.display import display

from videoformer_edu.figures.cube import GREY, cubes_html
from videoformer_edu.figures.style import JOINT, TIME
from videoformer_edu.tokens import Grid

FRONT, DEEP = 88.0, 52.0  # pixels: the side of the largest grid, the depth of the widest tokens
BAR = 8.0  # the height of the bill


class StageBill(NamedTuple):
    """One stage: the grids of its queries and keys, the width of a token, how many blocks, their multiply-adds."""

    queries: Grid
    keys: Grid
    width: int
    blocks: int
    macs: int


def stage_box(stage: StageBill, *, rows: int, widest: int, share: float) -> str:
    """An SVG: the grid of a step as the front of a box whose depth is the channels; below it the stage's share.

    rows, widest: of the largest grid and the widest tokens of the model, to which the box is drawn in scale.
    """
    high, wide = FRONT * stage.queries.h / rows, FRONT * stage.queries.w / rows
    deep = DEEP * stage.width / widest
    right, up = deep, deep / 2
    left, top = 4.0, 4 + DEEP / 2 + FRONT - high
    back = f"l{right:.1f} {-up:.1f}"
    faces = (f'<path fill="{JOINT}" fill-opacity=".35" d="M{left} {top:.1f} {back} h{wide:.1f} '
             f'l{-right:.1f} {up:.1f}Z"/>'
             f'<path fill="{JOINT}" fill-opacity=".6" d="M{left + wide:.1f} {top:.1f} {back} v{high:.1f} '
             f'l{-right:.1f} {up:.1f}Z"/>'
             f'<path fill="{GREY}" fill-opacity=".18" d="M{left} {top:.1f} h{wide:.1f} v{high:.1f} h{-wide:.1f}Z"/>')
    lines = [f"M{left} {top + high * r / stage.queries.h:.1f}h{wide:.1f}" for r in range(stage.queries.h + 1)]
    lines += [f"M{left + wide * c / stage.queries.w:.1f} {top:.1f}v{high:.1f}" for c in range(stage.queries.w + 1)]
    thin = 0.25 if stage.queries.h > 16 else 0.6
    floor, room = 4 + DEEP / 2 + FRONT + 8, FRONT + DEEP
    bill = (f'<rect x="{left}" y="{floor}" width="{room}" height="{BAR}" fill="{GREY}" fill-opacity=".25"/>'
            f'<rect x="{left}" y="{floor}" width="{room * share:.1f}" height="{BAR}" fill="{TIME}"/>')
    width, height = room + 8, floor + BAR + 2
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}">{faces}<path fill="none" stroke="{GREY}" stroke-width="{thin}" '
            f'd="{" ".join(lines)}"/>{bill}</svg>')


def stage_words(stage: StageBill, share: float) -> str:
    t, h, w = stage.queries
    keys = " × ".join(map(str, stage.keys))
    blocks = f"{stage.blocks} block" + "s" * (stage.blocks > 1)
    return (f"{blocks} · {t} × {h} × {w} = {stage.queries.l:,} tokens of {stage.width} · keys {keys} · "
            f"{stage.macs / 1e9:.1f} G, {share:.0%}")


def pyramid_html(stages: Sequence[StageBill], *, caption: str | None = None) -> str:
    """A row of boxes, one a stage, each above its words. Raises ValueError where there is none."""
    if not stages:
        raise ValueError("a pyramid has at least one stage")
    total, rows = sum(stage.macs for stage in stages), max(max(stage.queries[1:]) for stage in stages)
    widest = max(stage.width for stage in stages)
    drawn = {}
    for i, stage in enumerate(stages):
        share = stage.macs / total
        words = stage_words(stage, share)
        drawn[f"stage {i}"] = stage_box(stage, rows=rows, widest=widest, share=share), words, words
    return cubes_html(drawn, caption, width="150px")


def show_pyramid(stages: Sequence[StageBill], *, caption: str | None = None) -> None:
    """Show the stages side by side: what the boxes say also stands in words."""
    total = sum(stage.macs for stage in stages)
    said = "\n".join(f"stage {i}: {stage_words(stage, stage.macs / total)}" for i, stage in enumerate(stages))
    display({"text/html": pyramid_html(stages, caption=caption), "text/plain": said}, raw=True)
