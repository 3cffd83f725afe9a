"""The architecture of a model as a column of boxes, with "you are here": the same boxes and colours in every lesson.

    parts = (Stage("time", residual=True), Stage("space", residual=True), Stage("mlp", residual=True))
    column = ("video 3 × 8 × 32 × 32", Stage("embed", "tokens 128 × 64"), Repeat("block", 2, parts), Stage("head"))
    show_architecture({"TimeSformer": column}, here="block", caption="Time, then space, in each block.")

Operations are boxes, tensors are the white labels on the arrows. Every word stands on a ground of its own, so that the
drawing reads on a light and on a dark page.
"""

from __future__ import annotations

import base64
import html
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from IPython.display import display

from videoformer_edu.figures.style import CLS, INK, JOINT, SPACE, TIME

NEUTRAL, LOCAL = "#9aa4af", "#F0E442"
KINDS = {  # what is written in the box unless a stage says otherwise, and the colour of its kind
    "embed": ("patch embedding", NEUTRAL), "positions": ("+ positions", NEUTRAL), "cls": ("+ CLS", CLS),
    "time": ("temporal attention", TIME), "space": ("spatial attention", SPACE), "joint": ("joint attention", JOINT),
    "local": ("local attention", LOCAL), "mlp": ("MLP", NEUTRAL), "norm": ("norm", NEUTRAL),
    "pool": ("pooling", NEUTRAL), "mean": ("mean", NEUTRAL), "regroup": ("regroup", NEUTRAL), "head": ("head", NEUTRAL),
}
LINE = "#757b83"  # as far from a white page as from a black one
WIDTH, BOX, ROW, PILL = 172, 140, 16, 18  # pixels: the column, a box in it; heights of a line of text and of a label
MIDDLE = WIDTH / 2
GAP = 8  # between boxes side by side
LETTER = 7.0  # pixels that a letter takes
HERE = "you are here"
ROWS = 'style="margin:8px 0;display:flex;flex-wrap:wrap;align-items:flex-start;gap:8px 20px"'
SIDE = 'style="flex:1 1 200px;max-width:46rem;opacity:.85"'


@dataclass(frozen=True)
class Stage:
    """One box. kind: of `KINDS`; out: the tensor that leaves it, "tokens 128 × 64"; text: instead of the kind's own;
    residual: its input is added to what it makes."""

    kind: str
    out: str = ""
    text: str = ""
    residual: bool = False

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {self.kind!r}")
        fits(self.out)

    @property
    def name(self) -> str:
        return self.text or KINDS[self.kind][0]


@dataclass(frozen=True)
class Repeat:
    """Stages in a frame, `times` times one after the other (the picture shows them once)."""

    name: str
    times: int
    stages: tuple
    out: str = ""

    def __post_init__(self):
        fits(self.out)
        fits(self.header)

    @property
    def header(self) -> str:
        return self.name if self.times == 1 else f"{self.name} × {self.times}"


def fits(label: str) -> None:
    """Raises ValueError for a label that is wider than the column."""
    longest = int((WIDTH - 8) / LETTER)
    if len(label) > longest:
        raise ValueError(f"{label!r} has {len(label)} characters; {longest} fit on the arrow, so say it shorter")


def architecture(column: Sequence, *, here: str = "") -> str:
    """An SVG of a model from top to bottom.

    column: the input as a string, then `Stage`s, `Repeat`s, and tuples of stages that stand side by side and read the
    same input. here: the name of the stage or the repeated part that the lesson is about.
    Raises ValueError when there is no such name.
    """
    start, *stages = column
    fits(start)
    if here and here not in names(stages):
        raise ValueError(f"here is {here!r}; the parts are called {', '.join(names(stages))}")
    parts, bottom = draw(stages, [tensor(start, 1)], 1 + PILL, here)
    height = bottom + 1
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
            f'font-family="sans-serif" font-size="12" text-anchor="middle">{"".join(parts)}</svg>')


def names(stages: Sequence) -> list[str]:
    """What `here` may say."""
    found = []
    for stage in stages:
        if isinstance(stage, tuple):
            found += names(stage)
        else:
            found.append(stage.name)
            found += names(stage.stages) if isinstance(stage, Repeat) else []
    return list(dict.fromkeys(found))


def draw(stages: Sequence, parts: list[str], y: float, here: str) -> tuple[list[str], float]:
    """The parts of the picture so far and how far down it goes -> the same with these stages below."""
    for stage in stages:
        if isinstance(stage, Repeat):
            top = y + 8
            inside, end = draw(stage.stages, [], top + PILL + 4, here)
            parts += [line(f"M{MIDDLE} {y}V{top}"), frame(stage, top, end + 6, stage.name == here), *inside]
            parts.append(line(f"M{MIDDLE} {end}V{(y := end + 6)}"))
        else:
            drawn, y = row(stage if isinstance(stage, tuple) else (stage,), y, here)
            parts += drawn
        if out := outs(stage):
            parts += [line(f"M{MIDDLE} {y}V{y + 5}"), tensor(out, y + 5)]
            y += 5 + PILL
    return parts, y


def outs(stage) -> str:
    """The tensor that leaves a part; that of stages side by side stands on any of them."""
    return next((one.out for one in stage if one.out), "") if isinstance(stage, tuple) else stage.out


def row(beside: tuple[Stage, ...], y: float, here: str) -> tuple[list[str], float]:
    """One box, or several side by side, with the arrow into them and the residual around them."""
    residual = any(stage.residual for stage in beside)
    width, top = (BOX + GAP) / len(beside) - GAP, y + (15 if residual else 11)
    lines = [wrapped(stage, width, here) for stage in beside]
    height = ROW * max(map(len, lines)) + 8
    parts = [arrow(y, top)]
    for i, (stage, words) in enumerate(zip(beside, lines, strict=True)):
        left = (WIDTH - BOX) / 2 + i * (width + GAP)
        parts.append(box(stage, words, (left, top, width, height), stage.name == here))
    y = top + height
    if residual:
        plus = y + 12
        parts.append(line(f"M{MIDDLE} {top - 11}H7V{plus}H{MIDDLE}M{MIDDLE} {y}V{plus + 8}"))
        parts.append(f'<circle class="plus" cx="{MIDDLE}" cy="{plus}" r="7" fill="white" stroke="{LINE}"/>'
                     f'<path d="M{MIDDLE - 4} {plus}h8m-4 -4v8" stroke="{INK}" stroke-width="1.4"/>')
        y = plus + 7
    return parts, y


def wrapped(stage: Stage, width: float, here: str) -> list[tuple[str, bool]]:
    """The lines of a box, and which are bold: the last ones say where the reader is."""
    texts = (stage.name, HERE) if stage.name == here else (stage.name,)
    return [(words, text is HERE) for text in texts
            for words in textwrap.wrap(text, int(width / LETTER), break_long_words=False)]


def mixed(colour: str, share: float) -> str:
    """The colour on white paper."""
    channels = (int(colour[i:i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 + share * (c - 255)):02x}" for c in channels)


def box(stage: Stage, lines: list[tuple[str, bool]], place: tuple[float, float, float, float], here: bool) -> str:
    left, top, width, height = place
    fill, edge = mixed(KINDS[stage.kind][1], 0.75 if here else 0.3), 3 if here else 1
    first = top + (height - ROW * len(lines)) / 2 + 12
    words = "".join(said(text, left + width / 2, first + ROW * i, bold=b) for i, (text, b) in enumerate(lines))
    return (f'<rect class="{stage.kind}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height}" rx="4" '
            f'fill="{fill}" stroke="{LINE}" stroke-width="{edge}"/>{words}')


def frame(part: Repeat, top: float, bottom: float, here: bool) -> str:
    """Around what is repeated, its name at the top on a ground of its own."""
    words = f"{part.header} · {HERE}" if here else part.header
    return (f'<rect class="repeat" x="1.5" y="{top}" width="{WIDTH - 3}" height="{bottom - top}" rx="8" fill="{LINE}" '
            f'fill-opacity="{0.3 if here else 0.1}" stroke="{LINE}" stroke-width="{3 if here else 1}"/>'
            + label(words, top + 3, "header", *((INK, "white") if here else (mixed(NEUTRAL, 0.3), INK))))


def tensor(text: str, top: float) -> str:
    """A tensor on the arrow."""
    return label(text, top, "tensor", "white", INK)


def label(text: str, top: float, kind: str, ground: str, ink: str) -> str:
    wide = min(WIDTH - 6, LETTER * len(text) + 10)
    return (f'<rect class="{kind}" x="{MIDDLE - wide / 2:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{PILL}" rx="9" '
            f'fill="{ground}" stroke="{LINE}" stroke-width=".8"/>{said(text, MIDDLE, top + 13, fill=ink)}')


def said(text: str, x: float, y: float, *, bold: bool = False, fill: str = INK) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}"{weight}>{html.escape(text)}</text>'


def line(path: str) -> str:
    return f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="1.4"/>'


def arrow(top: float, bottom: float) -> str:
    """Down the middle, with its head at the bottom."""
    return line(f"M{MIDDLE} {top}V{bottom - 4}") + f'<path d="M{MIDDLE - 4} {bottom - 6}h8l-4 6Z" fill="{LINE}"/>'


def spoken(column: Sequence, *, here: str = "") -> str:
    """The drawing in words, from top to bottom."""
    start, *stages = column
    return f"{start}; {'; '.join(map(words_of, stages))}" + (f". You are here: {here}" if here else "")


def words_of(stage) -> str:
    if isinstance(stage, tuple):
        words = "side by side: " + " and ".join(one.name for one in stage)
        words += " (residual)" * any(one.residual for one in stage)
    elif isinstance(stage, Repeat):
        times = "" if stage.times == 1 else f", {stage.times} times"
        words = f"{stage.name}{times}: [{', '.join(map(words_of, stage.stages))}]"
    else:
        words = stage.name + " (residual)" * stage.residual
    return f"{words} gives {outs(stage)}" if outs(stage) else words


def architecture_html(models: Mapping[str, Sequence], *, here: str = "", caption: str | None = None) -> str:
    """Columns side by side, each under its name, or one beside its caption; narrow pages stack them.

    here: a part of at least one of the models.
    """
    if here and not any(here in names(column[1:]) for column in models.values()):
        architecture(next(iter(models.values())), here=here)  # says what the parts are called
    drawn = []
    for name, column in models.items():
        its = here if here in names(column[1:]) else ""
        svg = base64.b64encode(architecture(column, here=its).encode()).decode()
        alt = f"{name}, from top to bottom: {spoken(column, here=its)}."
        drawn.append(f'<div style="flex:none"><strong>{html.escape(name)}</strong><br><img alt="{html.escape(alt)}" '
                     f'src="data:image/svg+xml;base64,{svg}"></div>')
    low = "" if caption is None else f"<figcaption {SIDE}>{html.escape(caption, quote=False)}</figcaption>"
    return f"<figure {ROWS}>{''.join(drawn)}{low}</figure>"


def show_architecture(models: Mapping[str, Sequence], *, here: str = "", caption: str | None = None) -> None:
    """Show one column for each named model, with "you are here" in its box or in the name of its frame."""
    said = "\n".join(f"{name}: {spoken(column)}" for name, column in models.items())
    display({"text/html": architecture_html(models, here=here, caption=caption), "text/plain": said}, raw=True)
