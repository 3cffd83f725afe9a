"""What an explorer shows of a recorded attention: the shares of one clip between two grids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from torch import Tensor

from videoformer_edu.attention.recording import AttentionMap
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets.labels import first_head, labels


class ShownMap(NamedTuple):
    """One map of an explorer: `shares` `(head, q, t, h, w)`, where each of q queries looks on the keys' grid.

    `grid` is the queries' own: q counts its patches in the order `(t h w)`, after CLS where there is one more.
    `first_head` is the number of the first head, where a map holds some of an attention's heads only.
    """

    shares: Tensor
    grid: Grid
    first_head: int = 0

    @property
    def keys(self) -> Grid:
        return Grid(*self.shares.shape[2:])

    @property
    def cls(self) -> bool:
        return self.shares.shape[1] > self.grid.l


def maps_for_explorer(
    recorded: Mapping[str, AttentionMap] | Iterable[AttentionMap], *, b: int = 0
) -> dict[str, ShownMap]:
    """What `record_attention` collected -> label ("block 0 · time") -> the map of clip `b`; the columns of CLS go."""
    values = list(recorded.values() if isinstance(recorded, Mapping) else recorded)
    shares = (m.dense()[b, :, :, int(m.cls):].unflatten(-1, tuple(m.key_grid)) for m in values)  # (head, q, t, h, w)
    return {label: ShownMap(x, m.grid, first_head(m))
            for label, x, m in zip(labels(values), shares, values, strict=True)}
