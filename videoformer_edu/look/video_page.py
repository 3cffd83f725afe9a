"""Where a model looks in a video: the forward pass, and what came of it as a page or as a moving picture."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from videoformer_edu.attention.recording import attention_names, record_attention
from videoformer_edu.data.video.clips import count_frames, read_frames, sample_indices, to_model_input
from videoformer_edu.figures.attention import for_display
from videoformer_edu.figures.show import figure_html
from videoformer_edu.look.fit_maps import fit
from videoformer_edu.look.model import Looker
from videoformer_edu.widgets.attention_explorer import attention_explorer
from videoformer_edu.widgets.maps import ShownMap, maps_for_explorer
from videoformer_edu.widgets.order_explorer import still_strip
from videoformer_edu.widgets.still import frames_under_map

SHOWN = 224  # pixels of a shown frame, where the model itself takes smaller ones
MANY = 600  # tokens of a clip from which on only the last two attentions are recorded: the maps grow with their square
TOP = 5
LIMIT = 8_000_000  # bytes of an explorer in a page of its own
STYLE = """body { max-width: 800px; margin: 24px auto; padding: 0 12px; font: 16px/1.5 system-ui, sans-serif;
  color-scheme: light dark; color: CanvasText; background: Canvas; }
td, th { padding: 2px 14px 2px 0; text-align: left; font-variant-numeric: tabular-nums; }
h1 { overflow-wrap: anywhere; } figure { max-width: 100%; overflow-x: auto; }"""


@dataclass(frozen=True)
class Seen:
    """What came of one forward pass. frames: the numbers of the frames taken, of `total`; pixels: those frames to look
    at, uint8 `(t, h, w, c)`; given: as the model got them, before normalisation; shares: of the classes; maps: the last
    attention first; made_smaller: what was done to the maps, in words."""

    frames: list[int]
    total: int
    pixels: np.ndarray
    given: np.ndarray
    shares: Tensor
    maps: dict[str, ShownMap]
    made_smaller: str = ""


@torch.no_grad()
def look_at(video: Path, looker: Looker, *, layers: Sequence[str] = (), head: int | None = None,
            sampling: str = "uniform", stride: int = 1) -> Seen:
    """One video through one model. layers: parts of the names of attentions, or their numbers; all where there are few
    tokens, else the last two. head: one head alone.

    Raises a ClipError for a video that cannot be read, ValueError for a layer or a head that is not there or a model
    without attention.
    """
    _, t, size, _ = looker.clip
    chosen = {"sampling": sampling, "stride": stride}
    given = read_frames(video, frames=t, size=size, **chosen)  # (t, h, w, c)
    pixels = given if size >= SHOWN else read_frames(video, frames=t, size=SHOWN, **chosen)
    total = count_frames(video)
    clip = to_model_input(given, looker.pixels)[None]
    only = _choose(attention_names(looker.model), layers)
    if not layers and only and _tokens(looker, clip) > MANY:
        only = only[-2:]
    with record_attention(looker.model, only) as recorded:
        logits = looker.model(clip)[0]
    maps = dict(reversed(maps_for_explorer(recorded).items()))
    if head is not None:
        maps = {name: _one_head(name, m, head) for name, m in maps.items()}
    maps, made_smaller = fit(maps)
    return Seen(sample_indices(total, t, **chosen), total, pixels.numpy(), given.numpy(), logits.softmax(-1), maps,
                made_smaller)


def _choose(names: list[str], layers: Sequence[str]) -> list[str]:
    if not layers:
        return names
    found = []
    for layer in layers:
        fits = [names[int(layer)]] if layer.isdigit() and int(layer) < len(names) else [n for n in names if layer in n]
        if layer.isdigit() and int(layer) >= len(names) or not fits:
            listed = ", ".join(f"{i} {name}" for i, name in enumerate(names))
            raise ValueError(f"--layer {layer}: no attention has this number or name; there are: {listed}")
        found += [name for name in fits if name not in found]
    return sorted(found, key=names.index)


def _tokens(looker: Looker, clip: Tensor) -> int:
    """Patches of the clip, as the first embedding counts them; 0 where it does not say."""
    embed = next((m for m in looker.model.modules() if hasattr(m, "proj") and hasattr(m, "channels")), None)
    return 0 if embed is None else embed(clip)[1].l


def _one_head(name: str, shown: ShownMap, head: int) -> ShownMap:
    i = head - shown.first_head
    if not 0 <= i < len(shown.shares):
        last = shown.first_head + len(shown.shares) - 1
        raise ValueError(f"--head {head}: {name} has the heads {shown.first_head} to {last}")
    return ShownMap(shown.shares[i:i + 1], shown.grid, head)


def query_of(words: str | None, first: ShownMap) -> tuple[int, int, int] | str:
    """"cls", or "t,h,w" on the grid of the map; by default CLS where there is one, else the middle.

    Raises ValueError for anything else.
    """
    if words is None:
        return "cls" if first.cls else (first.grid.t // 2, first.grid.h // 2, first.grid.w // 2)
    if words.lower() == "cls":
        if not first.cls:
            raise ValueError(f"--query cls: this attention has no CLS; name a patch, frame,row,column, of the grid "
                             f"{tuple(first.grid)}")
        return "cls"
    parts = words.split(",")
    if len(parts) != 3 or not all(part.strip().isdigit() for part in parts) \
            or not all(int(part) < most for part, most in zip(parts, first.grid, strict=True)):
        raise ValueError(f"--query {words}: expected cls, or frame,row,column inside the grid {tuple(first.grid)}, "
                         "counted from 0")
    return tuple(int(part) for part in parts)


def top_classes(seen: Seen, labels: Sequence[str], count: int = TOP) -> list[tuple[str, float]]:
    """The classes with the largest shares, by their labels where they are known."""
    best = seen.shares.topk(min(count, len(seen.shares)))
    named = len(labels) == len(seen.shares)
    return [(labels[k] if named else f"class {k}", share)
            for share, k in zip(best.values.tolist(), best.indices.tolist(), strict=True)]


def page(video: Path, looker: Looker, seen: Seen, query: str | None = None) -> str:
    """One HTML page that needs nothing else: the answer, the explorer, what the model was given."""
    t, size = looker.clip[1:3]
    first = next(iter(seen.maps.values()))
    title = f"Where does {looker.name} look in {video.name}?"
    alt = f"The {t} frames that {looker.name} was given. Amber: where {'CLS' if first.cls else 'one patch'} looks."
    explorer = attention_explorer(seen.pixels, seen.maps, title=title, alt=alt, limit=LIMIT,
                                  start=query_of(query, first))
    rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{share:.1%}</td></tr>"
                   for name, share in top_classes(seen, looker.labels))
    trained = "" if not looker.trained_on else (
        f"<p>It was trained on {html.escape(looker.trained_on)}: its classes fit other videos only as far as those are "
        "alike. Where it looks is shown as it is.</p>")
    smaller = f" To fit into a page, maps are shown as {seen.made_smaller}." if seen.made_smaller else ""
    frames = ", ".join(map(str, seen.frames))
    strip = figure_html(still_strip(seen.given), alt=f"The same frames, {size} pixels a side.",
                        caption=f"The model's own pixels: {size} x {size}, before normalisation.")
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            f'content="width=device-width"><title>{html.escape(title)}</title><style>{STYLE}</style></head><body><main>'
            f"<h1>{html.escape(looker.name)} looks at {html.escape(video.name)}</h1>"
            f"<table><thead><tr><th>it says</th><th>share</th></tr></thead><tbody>{rows}</tbody></table>{trained}"
            f"{explorer.html}<p>Of {seen.total} frames it was given {t}, numbers {frames}: the middle square, scaled "
            f"to {size} x {size} pixels.{smaller}</p>{strip}</main></body></html>")


def gif(seen: Seen, path: Path, query: str | None = None, *, side: int = 288, fps: float = 4.0) -> None:
    """The frames under the first map, the mean of its heads, as an animated GIF that plays on."""
    shown = next(iter(seen.maps.values()))
    start = query_of(query, shown)
    k = -1 if start == "cls" else (start[0] * shown.grid.h + start[1]) * shown.grid.w + start[2]
    first, *others = frames_under_map(for_display(seen.pixels), shown.shares, shown.grid, k, (side, side))
    first.save(path, save_all=True, append_images=others, duration=round(1000 / fps), loop=0)
