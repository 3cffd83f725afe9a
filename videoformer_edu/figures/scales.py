"""Attention maps of several scales over the same frames: each drawn on its own grid of keys, at its true size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from videoformer_edu.figures.attention import AMBER, NARROW, for_display
from videoformer_edu.figures.show import as_frames
from videoformer_edu.figures.style import house_style, new_figure

SIDE = 34  # millimetres of a frame, 170 pixels on the page


@house_style()
def looks_at_scales(frames, looks: Mapping[str, object], *, steps: Sequence[int]) -> Figure:
    """A row for each map `looks (t, h, w)`, a column for each of `steps`, the first frame of that step below it.

    A key covers the patch that it stands for, with hard edges, however large that is: a map drawn smoother or finer
    than its grid would claim places that the model did not tell apart. Each row has its own scale. frames: uint8
    `(T, H, W, 3)`, T / t of them a step. Raises ValueError where a map does not fit the frames.
    """
    pixels = for_display(as_frames(frames))
    maps = {name: getattr(look, "numpy", lambda look=look: look)() for name, look in looks.items()}
    for name, look in maps.items():
        if look.ndim != 3 or len(pixels) % len(look) or max(steps) >= len(look):
            raise ValueError(f"{name} is {look.shape}; expected (t, h, w) with t dividing {len(pixels)} frames and "
                             f"more than {max(steps)} steps")
    ratio = pixels.shape[1] / pixels.shape[2]
    figure = new_figure(max(NARROW, SIDE * len(steps) + 14), (SIDE * ratio + 2) * len(maps) + 6)
    axes = figure.subplots(len(maps), len(steps), squeeze=False)
    for ax, step in zip(axes[0], steps, strict=True):
        ax.set_title(f"step {step}")
    for row, (name, look) in zip(axes, maps.items(), strict=True):
        t, h, w = look.shape
        for ax, step in zip(row, steps, strict=True):
            ax.imshow(pixels[step * len(pixels) // t], extent=(0, w, h, 0), interpolation="nearest")
            ax.imshow(look[step], extent=(0, w, h, 0), cmap=AMBER, vmin=0, vmax=look.max() or 1,
                      interpolation="nearest")
            ax.set_xticks(range(w + 1), [""] * (w + 1)), ax.set_yticks(range(h + 1), [""] * (h + 1))
            ax.grid(color="white", alpha=0.25, linewidth=0.5)
            ax.tick_params(length=0)
        row[0].set_ylabel(f"{name}\nkeys {h} × {w}")
    return figure
