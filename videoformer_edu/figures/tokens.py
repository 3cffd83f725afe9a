"""Pictures of how pixels become tokens: an image cut into patches, and patches in the order of the sequence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from videoformer_edu.figures.style import FAINT, INK, house_style, new_figure

WIDE = 170  # mm
BOARD = tuple(int(FAINT[i : i + 2], 16) for i in (1, 3, 5))  # what shows between the patches


def cut_patches(image, patch_size: int) -> np.ndarray:
    """`(H, W, 3)` uint8 -> `(rows, columns, patch_size, patch_size, 3)`, the pixels of every patch."""
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"an image is uint8 (h, w, 3), got {pixels.dtype} {pixels.shape}; a (3, h, w) tensor needs "
                         ".permute(1, 2, 0)")
    height, width, _ = pixels.shape
    if patch_size < 1 or height % patch_size or width % patch_size:
        raise ValueError(f"patches of {patch_size} pixels do not tile an image of {height} x {width}; "
                         "the patch size must divide both sides")
    rows, columns = height // patch_size, width // patch_size
    return pixels.reshape(rows, patch_size, columns, patch_size, 3).swapaxes(1, 2)


@house_style()
def image_in_patches(image, patch_size: int, *, names: Sequence[str] | None = None) -> Figure:
    """The whole image `(H, W, 3)`, and beside it its patches pulled apart, each with its number in the sequence."""
    patches = cut_patches(image, patch_size)
    rows, columns = patches.shape[:2]
    names = [str(i) for i in range(rows * columns)] if names is None else names
    figure = new_figure(WIDE, 8 + WIDE / 2 * rows / columns)
    left, right = figure.subplots(1, 2)
    left.imshow(np.asarray(image))
    left.set_title(f"{np.shape(image)[0]} x {np.shape(image)[1]} pixels")
    apart, gap = _pull_apart(patches)
    right.imshow(apart)
    right.set_title(f"{rows} x {columns} patches of {patch_size} x {patch_size}")
    _write_names(right, names, [(i * (patch_size + gap) + gap, j * (patch_size + gap) + gap // 2)
                                for i, j in np.ndindex(rows, columns)])
    for ax in (left, right):
        ax.set_axis_off()
    return figure


@house_style()
def token_strip(patches, names: Sequence[str] | None = None, *, columns: int | None = None) -> Figure:
    """Patches `(n, p, p, 3)` uint8 in the order of the sequence, `columns` in a row (all, up to 16)."""
    patches = np.asarray(patches)
    if patches.dtype != np.uint8 or patches.ndim != 4 or patches.shape[3] != 3:
        raise ValueError(f"patches are uint8 (n, p, p, 3), got {patches.dtype} {patches.shape}; "
                         "cut_patches(image, p).reshape(-1, p, p, 3) makes them")
    n, size = patches.shape[:2]
    names = [str(i) for i in range(n)] if names is None else names
    columns = min(n, 16) if columns is None else columns
    rows = math.ceil(n / columns)
    page = np.full((rows * columns, size, size, 3), BOARD, dtype=np.uint8)
    page[:n] = patches
    apart, gap = _pull_apart(page.reshape(rows, columns, size, size, 3))
    width = min(WIDE, max(100, 28 * columns))
    figure = new_figure(width, 4 + (width - 4) * apart.shape[0] / apart.shape[1])
    axes = figure.subplots()
    axes.imshow(apart)
    axes.set_axis_off()
    corners = [(i // columns * (size + gap) + gap, i % columns * (size + gap) + gap // 2) for i in range(n)]
    _write_names(axes, names, corners)
    return figure


def _pull_apart(patches: np.ndarray) -> tuple[np.ndarray, int]:
    """One image of all patches with a board between and above them (room for a name), and the width of the gap."""
    rows, columns, size, _, _ = patches.shape
    gap = max(2, round(size * 0.3))
    page = np.full((rows, columns, size + gap, size + gap, 3), BOARD, dtype=np.uint8)
    page[:, :, gap:, gap // 2 : gap // 2 + size] = patches
    return page.swapaxes(1, 2).reshape(rows * (size + gap), columns * (size + gap), 3), gap


def _write_names(axes, names: Sequence[str], corners: Sequence[tuple[int, int]]) -> None:
    if len(names) != len(corners):
        raise ValueError(f"{len(names)} names for {len(corners)} patches; give each its name")
    for name, (row, column) in zip(names, corners, strict=True):
        axes.text(column - 0.5, row - 0.6, name, fontsize=7.5, color=INK, ha="left", va="bottom", clip_on=True)


__all__ = ["cut_patches", "image_in_patches", "token_strip"]
