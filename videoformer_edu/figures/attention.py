"""Pictures of attention: matrices with named tokens, attention laid over frames, similarities of positions.

Every function takes shares of attention (or similarities) as arrays or tensors and returns a Figure. Nothing here
rescales a share: the colour bar shows the numbers that came in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from videoformer_edu.figures.show import as_frames
from videoformer_edu.figures.style import ATTENTION, DIVERGING, PAGE_MM, QUERY, SEQUENTIAL, house_style, new_figure

NARROW, WIDE = 100, 170  # mm
STRONGEST = 0.92  # opacity where attention is largest; where there is none, nothing covers the frame
SMOOTH = 14  # patches a side, from which on a map is drawn without edges
MIDDLE = 0.45  # brightness that the median pixel of a dark clip is raised to
COLOUR = 0.6  # how much of their colour the frames keep, so that amber is attention alone
AMBER = LinearSegmentedColormap.from_list("attention", [(*to_rgb(ATTENTION), 0), (*to_rgb(ATTENTION), STRONGEST)])


def for_display(pixels: np.ndarray) -> np.ndarray:
    """Frames `(t, h, w, 3)` uint8, brighter where the clip is dark and less colourful. No model ever sees these."""
    x = pixels / 255
    middle = float(np.clip(np.median(_grey(x)), 0.02, MIDDLE))
    x = x ** max(0.45, math.log(MIDDLE) / math.log(middle))  # one gamma for the clip, 1 where it is bright enough
    grey = _grey(x)
    return np.rint(255 * (grey + COLOUR * (x - grey))).clip(0, 255).astype(np.uint8)


def _grey(x: np.ndarray) -> np.ndarray:
    return x @ np.array([[0.299], [0.587], [0.114]])  # (t, h, w, 1)


@house_style()
def attention_matrix(
    weights, names: Sequence[str], *, key_names: Sequence[str] | None = None, title: str | None = None,
    numbers: bool | None = None, signed: bool = False,
) -> Figure:
    """`(q, k)` numbers as a matrix: rows are the tokens that look, columns the tokens that are looked at.

    names: of the rows, and of the columns too unless `key_names` is given. numbers: write each value into its cell
    (by default up to 80 cells). signed: scores rather than shares, coloured around zero.
    """
    matrix = _array(weights, 2, "weights (q, k)")
    key_names = names if key_names is None else key_names
    _check_names("names", names, matrix.shape[0])
    _check_names("key_names", key_names, matrix.shape[1])
    q, k = matrix.shape
    width = float(np.clip(42 + 15 * k, NARROW, WIDE))
    cell = min(11.0, (width - 42) / k)  # mm
    figure = new_figure(width, 26 + max(q * cell, 22))
    axes = figure.subplots()
    low, high = (-np.abs(matrix).max(), np.abs(matrix).max()) if signed else (0, matrix.max())
    picture = axes.imshow(matrix, cmap=DIVERGING if signed else SEQUENTIAL, vmin=low, vmax=high or 1, aspect="auto")
    axes.set_xticks(range(k), key_names, rotation=0 if sum(map(len, key_names)) < 60 else 45)
    axes.set_yticks(range(q), names)
    axes.set(xlabel="is looked at (key)", ylabel="looks (query)")
    axes.tick_params(length=0)
    if title:
        axes.set_title(title)
    if numbers if numbers is not None else q * k <= 80:
        for i, j in np.ndindex(q, k):
            axes.text(j, i, f"{matrix[i, j]:.2f}", ha="center", va="center", color=_ink(picture, matrix[i, j]))
    figure.colorbar(picture, ax=axes, label="score" if signed else "share of attention", shrink=0.9)
    return figure


@house_style()
def attention_on_frames(
    frames, looks, *, query: tuple[int, int, int] | Sequence[tuple[int, int, int]] | None = None,
    names: Sequence[str] | None = None, columns: int | None = None,
) -> Figure:
    """Maps `looks (t, h, w)` over pixels `frames (t, H, W, 3)` uint8, one picture a frame, all on one scale.

    Attention is amber and as opaque as its share; the frames are shown brighter than they are.
    query: the patch that looks, (frame, row, column), outlined in blue and white; several may be given. names: a title
    for each frame. columns: frames in a row, by default up to 4. Several heads or several pictures side by side are
    "frames" too: repeat or stack them.
    """
    frames, looks = as_frames(frames), _array(looks, 3, "looks (t, h, w)")
    t, h, w = looks.shape
    if len(frames) != t:
        raise ValueError(f"{len(frames)} frames but maps for {t}; give one frame for each map, such as "
                         "frames.expand(t, -1, -1, -1) for one picture")
    names = [f"t = {i}" for i in range(t)] if names is None else names
    _check_names("names", names, t)
    queries = [] if query is None else [query] if isinstance(query[0], int) else list(query)
    for i, row, column in queries:
        if not (0 <= i < t and 0 <= row < h and 0 <= column < w):
            raise ValueError(f"query {(i, row, column)} is outside the {t} x {h} x {w} grid (frame, row, column)")
    figure, axes = _row_of_axes(t, columns, frames.shape[1] / frames.shape[2], bar=12)
    smooth = "bilinear" if max(h, w) >= SMOOTH else "nearest"
    for i, (ax, pixels) in enumerate(zip(axes, for_display(frames), strict=True)):
        ax.imshow(pixels, extent=(0, w, h, 0), interpolation="nearest")
        picture = ax.imshow(looks[i], extent=(0, w, h, 0), cmap=AMBER, vmin=0, vmax=looks.max() or 1,
                            interpolation=smooth)
        ax.set_title(names[i])
    for i, row, column in queries:
        for colour, thick in (("white", 4), (QUERY, 2)):
            axes[i].add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor=colour, linewidth=thick))
    figure.colorbar(picture, ax=axes, location="bottom", shrink=0.5, aspect=40, pad=0.02, label="share of attention",
                    ticks=MaxNLocator(4))
    return figure


def mean_by_displacement(similarity) -> np.ndarray:
    """`(h, w, h, w)` -> `(2h - 1, 2w - 1)`: the mean over all pairs of places that lie so many rows and columns apart.

    In the middle is each place with itself.
    """
    maps = _array(similarity, 4, "similarity (h, w, h, w)")
    h, w = maps.shape[:2]
    if maps.shape[2:] != (h, w):
        raise ValueError(f"similarity is (h, w, h, w), a map as large as the grid for each of its places; got "
                         f"{maps.shape}. A table of h*w rows gives (n, n): reshape it with .reshape(h, w, h, w)")
    total, pairs = np.zeros((2, 2 * h - 1, 2 * w - 1))
    for i, j in np.ndindex(h, w):
        apart = np.s_[h - 1 - i:2 * h - 1 - i, w - 1 - j:2 * w - 1 - j]
        total[apart] += maps[i, j]
        pairs[apart] += 1
    return total / pairs


def looks_below(frames, looks, names: Sequence[str]) -> Figure:
    """Pictures `(t, H, W, 3)` uint8 as they are; below each the same under its map `looks (t, h, w)` and its name."""
    frames, looks = as_frames(frames), _array(looks, 3, "looks (t, h, w)")
    return attention_on_frames(np.concatenate([frames, frames]), np.concatenate([0 * looks, looks]),
                               names=["" for _ in frames] + list(names), columns=len(frames))


@house_style()
def similarity_by_displacement(similarities: Mapping[str, object], *, reach: int) -> Figure:
    """How alike places are that lie up to `reach` rows and columns apart, one map for each `similarity (h, w, h, w)`.

    Averaged over all such pairs, on one scale around zero; a place with itself, in the middle, is left out.
    """
    maps = {name: mean_by_displacement(similarity) for name, similarity in similarities.items()}
    figure = new_figure(float(np.clip(20 + 60 * len(maps), NARROW, WIDE)), 62)
    axes = list(figure.subplots(1, len(maps), squeeze=False).flat)
    cut = {}
    for name, mean in maps.items():
        h, w = (size // 2 for size in mean.shape)
        most = min(h, w)
        if not 1 <= reach <= most:
            raise ValueError(f"{name}: places lie at most {most} apart along an axis, so reach is 1 to {most}")
        cut[name] = np.ma.masked_array(mean[h - reach:h + reach + 1, w - reach:w + reach + 1])
        cut[name][reach, reach] = np.ma.masked
    limit = max(float(np.abs(mean).max()) for mean in cut.values())
    for ax, (name, mean) in zip(axes, cut.items(), strict=True):
        picture = ax.imshow(mean, cmap=DIVERGING, vmin=-limit, vmax=limit,
                            extent=(-reach - 0.5, reach + 0.5, reach + 0.5, -reach - 0.5))
        steps = range(-reach, reach + 1, max(1, reach // 2))
        ax.set(title=name, xlabel="columns apart", ylabel="rows apart", xticks=steps, yticks=steps)
        ax.spines[:].set_visible(False)
    figure.colorbar(picture, ax=axes, label="mean cosine similarity", shrink=0.9)
    return figure


@house_style()
def value_maps(maps: Mapping[str, object], *, label: str) -> Figure:
    """Maps `(h, w)` of one kind side by side under their names, on one colour scale; `label` names its unit."""
    arrays = {name: _array(values, 2, f"{name}: a map (h, w)") for name, values in maps.items()}
    if not arrays:
        raise ValueError("there is no map to draw; give at least one name -> (h, w)")
    low, high = min(a.min() for a in arrays.values()), max(a.max() for a in arrays.values())
    figure, axes = _row_of_axes(len(arrays), None, max(a.shape[0] / a.shape[1] for a in arrays.values()))
    for ax, (name, values) in zip(axes, arrays.items(), strict=True):
        picture = ax.imshow(values, vmin=low, vmax=high)
        ax.set_title(name)
    figure.colorbar(picture, ax=axes, shrink=0.8, label=label)
    return figure


def _row_of_axes(count: int, columns: int | None, ratio: float, bar: float = 0) -> tuple[Figure, list]:
    """Axes for `count` pictures of height/width `ratio`, in reading order; the cells of the last row may stay empty.

    bar: mm below the pictures for the scale; 0 leaves its place at the right.
    """
    columns = min(count, 4) if columns is None else columns
    rows = math.ceil(count / columns)
    beside = 0 if bar else 20  # mm
    width = float(np.clip(beside + (45 if bar else 38) * columns, NARROW, PAGE_MM[1] if bar else WIDE))
    side = (width - beside) / columns
    figure = new_figure(width, rows * (side * ratio + 8) + bar)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax in axes:
        ax.set_axis_off()
    return figure, axes[:count]


def _array(values, ndim: int, expected: str) -> np.ndarray:
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, dtype=float)
    if array.ndim != ndim or not array.size:
        raise ValueError(f"expected {expected}, got the shape {array.shape}; pick one picture and one head first")
    if not np.isfinite(array).all():
        raise ValueError(f"expected {expected} of finite numbers, got NaN or infinity; a row that may look at nothing "
                         "has no softmax")
    return array


def _check_names(what: str, names: Sequence[str], count: int) -> None:
    if len(names) != count:
        raise ValueError(f"{len(names)} {what} for {count} of them; give each its name")


def _ink(picture, value: float) -> str:
    """Black on light cells, white on dark ones."""
    r, g, b, _ = picture.cmap(picture.norm(value))
    return "black" if 0.299 * r + 0.587 * g + 0.114 * b > 0.5 else "white"


__all__ = ["attention_matrix", "attention_on_frames", "for_display", "looks_below", "mean_by_displacement",
           "similarity_by_displacement", "value_maps"]
