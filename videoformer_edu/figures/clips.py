"""Pictures of a clip: as a strip of frames, as a cube cut along time, as what changes from one frame to the next.

Clips are raw pixels, uint8 `(t, h, w, c)`. Numbers that a picture shows come from small functions beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from videoformer_edu.figures.show import as_frames
from videoformer_edu.figures.style import DIVERGING, FAINT, INK, JOINT, TIME, house_style, new_figure

WIDE, NARROW = 160, 100  # mm


@house_style()
def filmstrip(clip, *, times: Sequence[int] | None = None, columns: int | None = None) -> Figure:
    """The frames of a clip `(t, h, w, 3)` in reading order, each under its index; `columns` in a row (all)."""
    clip = as_frames(clip)
    t, h, w, _ = clip.shape
    times = _names(range(t) if times is None else times, t, "times")
    columns = t if columns is None else columns
    rows = math.ceil(t / columns)
    width = float(np.clip(24 * columns, NARROW, WIDE))
    figure = new_figure(width, rows * (width / columns * h / w + 6))
    for index, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.set_axis_off()
        if index < t:
            axes.imshow(clip[index])
            axes.set_title(f"t={times[index]}", fontsize=8, fontweight="normal", pad=2)
    return figure


@house_style()
def filmstrips(clips: Mapping[str, object], *, times: Sequence[int] | None = None) -> Figure:
    """Clips of one length above each other, each beside its name; time runs from left to right."""
    if not clips:
        raise ValueError("no clips; give at least one, as {name: clip}")
    arrays = [as_frames(clip) for clip in clips.values()]
    lengths = {len(clip) for clip in arrays}
    if len(lengths) > 1:
        raise ValueError(f"clips of {sorted(lengths)} frames; only clips of one length can share a time axis")
    t, h, w, _ = arrays[0].shape
    times = _names(range(t) if times is None else times, t, "times")
    figure = new_figure(WIDE, 6 + len(arrays) * ((WIDE - 22) / t - 2) * h / w)
    grid = figure.subplots(len(arrays), t, squeeze=False)
    for row, (name, clip) in enumerate(zip(clips, arrays, strict=True)):
        for column, frame in enumerate(clip):
            axes = grid[row, column]
            axes.imshow(frame)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if row == 0:
                axes.set_title(f"t={times[column]}", fontsize=8, fontweight="normal", pad=2)
        grid[row, 0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=4)
    return figure


def time_slice(clip, column: int) -> np.ndarray:
    """Cut the cube along time: the pixels of one column in every frame, `(h, t, 3)`; time runs to the right."""
    clip = as_frames(clip)
    if not 0 <= column < clip.shape[2]:
        raise ValueError(f"column is {column}; the frames have the columns 0 to {clip.shape[2] - 1}")
    return clip[:, :, column].swapaxes(0, 1)


@house_style()
def cut_through_time(clip, column: int, *, frame: int | None = None) -> Figure:
    """One frame with the column where the cube is cut, and beside it that column in every frame."""
    clip = as_frames(clip)
    cut = time_slice(clip, column)
    t, h, w, _ = clip.shape
    frame = t // 2 if frame is None else frame
    figure = new_figure(140, 50)
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    left.imshow(clip[frame])
    left.axvline(column, color=TIME, linewidth=1.6)
    left.set(title=f"frame t={frame}", xlabel="w", ylabel="h")
    right.imshow(cut, aspect="auto")
    right.axvline(frame, color=TIME, linewidth=1.6)
    right.set(title=f"w={column}, every t", xlabel="t", ylabel="h")
    return figure


def changes(clip) -> np.ndarray:
    """How much each frame differs from the one before, `(t - 1,)`: mean |difference| in grey levels, 0 to 255."""
    clip = as_frames(clip).astype(np.float64)
    return np.abs(np.diff(clip, axis=0)).mean(axis=(1, 2, 3))


@house_style()
def change_bars(values: Sequence[float], *, marked: Sequence[int] = ()) -> Figure:
    """`changes` as bars: bar t is the change from frame t-1 to frame t. Arrows with their times point at `marked`."""
    values = np.asarray(values, dtype=float)
    figure = new_figure(160, 46)
    axes = figure.subplots()
    times = np.arange(1, len(values) + 1)
    axes.bar(times, values, color=FAINT, edgecolor=INK, linewidth=0.4)
    top = 1.12 * float(values.max())
    for time in marked:
        axes.annotate(f"t={time}", (time, values[time - 1]), xytext=(time, top), ha="center", fontsize=8, color=JOINT,
                      arrowprops={"arrowstyle": "->", "color": JOINT})
    axes.set(xlabel="t", ylabel="grey levels", xlim=(0, len(values) + 1), ylim=(0, 1.25 * top))
    return figure


def light_moved(first, second) -> np.ndarray:
    """Second frame minus first, as brightness `(h, w)` in [-1, 1]: positive where light arrives."""
    first, second = (np.asarray(frame, dtype=np.float64) for frame in (first, second))
    if first.shape != second.shape or first.ndim != 3:
        raise ValueError(f"two frames (h, w, 3) of one size are compared; got {first.shape} and {second.shape}")
    return (second - first).mean(axis=-1) / 255


@house_style()
def two_frames(first, second, *, times: tuple[int, int]) -> Figure:
    """Two frames `(h, w, 3)` and the light that left and arrived between them."""
    moved = light_moved(first, second)
    figure = new_figure(150, 50)
    panels = figure.subplots(1, 3, width_ratios=(1, 1, 1.18))
    for axes, frame, time in zip(panels, (first, second), times, strict=False):
        axes.imshow(np.asarray(frame))
        axes.set_title(f"t={time}")
    limit = max(float(np.abs(moved).max()), 1e-6)
    picture = panels[2].imshow(moved, cmap=DIVERGING, vmin=-limit, vmax=limit)
    panels[2].set_title(f"t={times[1]} minus t={times[0]}")
    bar = figure.colorbar(picture, ax=panels[2], ticks=[-limit, 0, limit])
    bar.ax.set_yticklabels(["leaves", "same", "arrives"])
    bar.outline.set_visible(False)
    for axes in panels:
        axes.set_axis_off()
    return figure


@house_style()
def patches_in_time(
    clip, patch_size: int, tokens: Mapping[str, tuple[int, int, int]], *, times: Sequence[int] | None = None
) -> Figure:
    """Frames `(t, h, w, 3)` under their patch grid; `tokens` are framed, and named above their frame, so that nothing
    covers what they show: name -> (time, row, column).

    times: of the frames, where they are a choice from a longer clip; the tokens' times are among them.
    """
    clip = as_frames(clip)
    t, h, w, _ = clip.shape
    times = _names(range(t) if times is None else times, t, "times")
    lost = [name for name, (time, _, _) in tokens.items() if time not in times]
    if lost:
        raise ValueError(f"the times of the tokens {lost} are not among the times shown, {times}")
    if patch_size < 1 or h % patch_size or w % patch_size:
        raise ValueError(f"patches of {patch_size} pixels do not tile frames of {h} x {w}; "
                         "the patch size must divide both sides")
    width = float(np.clip(36 * t, NARROW, WIDE))
    figure = new_figure(width, width / t * h / w + 7)
    for time, frame, axes in zip(times, clip, figure.subplots(1, t, squeeze=False)[0], strict=True):
        axes.imshow(frame, extent=(0, w, h, 0))
        axes.vlines(range(0, w + 1, patch_size), 0, h, color="white", linewidth=0.35)
        axes.hlines(range(0, h + 1, patch_size), 0, w, color="white", linewidth=0.35)
        axes.set(xlim=(-1, w + 1), ylim=(h + 1, -1))
        axes.set_axis_off()
        axes.set_title(f"t={time}", fontsize=8, fontweight="normal", pad=2)
        for name, (when, row, column) in tokens.items():
            if when == time:
                x, y = column * patch_size, row * patch_size
                for colour, thick in ((INK, 4), (TIME, 2)):
                    axes.add_patch(Rectangle((x, y), patch_size, patch_size, fill=False, edgecolor=colour,
                                             linewidth=thick))
                middle = x + patch_size / 2
                axes.annotate(name, (middle, y), xytext=(middle, -3), ha="center", va="bottom", fontsize=10,
                              fontweight="bold", annotation_clip=False,
                              arrowprops={"arrowstyle": "-", "color": TIME, "linewidth": 1.4, "shrinkB": 0})
    return figure


@house_style()
def mean_frames(rows: Mapping[str, tuple[object, Sequence[str]]]) -> Figure:
    """Average frames of classes, a row for each data set: name -> (frames `(class, h, w)`, names of the classes).

    All share one grey scale, so that what looks alike is alike.
    """
    means = {name: np.asarray(frames, dtype=float) for name, (frames, _) in rows.items()}
    low, high = min(frames.min() for frames in means.values()), max(frames.max() for frames in means.values())
    columns = max(len(frames) for frames in means.values())
    figure = new_figure(WIDE, len(rows) * ((WIDE - 26) / columns + 4))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for row, (name, (_, classes)) in enumerate(rows.items()):
        if means[name].ndim != 3 or len(means[name]) != len(classes):
            raise ValueError(f"{name}: expected {len(classes)} average frames (class, h, w), got {means[name].shape}")
        for axes, mean, title in zip(grid[row], means[name], classes, strict=False):
            axes.set_axis_on()
            axes.imshow(mean, cmap="gray", vmin=low, vmax=high)
            axes.set(xticks=[], yticks=[])
            axes.set_title(title, fontsize=8, fontweight="normal", pad=3)
        grid[row, 0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=4)
    return figure


def _names(names: Sequence, count: int, what: str) -> list:
    if len(names) != count:
        raise ValueError(f"{len(names)} {what} for {count} frames; give each frame its own")
    return list(names)
