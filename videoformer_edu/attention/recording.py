"""Attention maps recorded in the forward pass itself.

    with record_attention(model) as maps:
        logits = model(video)
    maps["blocks.0.spatial_attention"].looks_from(t=2, h=1, w=3)   # (b, head, t, h, w)

While the context is open each attention computes its probabilities in the open and uses that very tensor for its
output, so a map cannot differ from what the model did. Outside the context nothing is computed, stored or slowed down.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from videoformer_edu.attention.core import Attention, Where
from videoformer_edu.attention.patterns import Pattern
from videoformer_edu.tokens import Grid


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """The probabilities of one attention module in one forward pass.

    `probabilities` is `(b, groups, head, q, k)`; group `g` holds the tokens `pattern.groups(clip)[g]`, after CLS where
    `cls` is true. `clip` is the grid of the tokens that came in, `grid` the queries' and `key_grid` the keys' (all the
    same, but for pooled and crossed attention). Rows sum to one; what a row gives to padding is on no grid.
    """

    name: str
    probabilities: Tensor
    pattern: Pattern
    clip: Grid

    @property
    def grid(self) -> Grid:
        return Grid(*self.pattern.query_grid(self.clip))

    @property
    def key_grid(self) -> Grid:
        return Grid(*self.pattern.key_grid(self.clip))

    @property
    def cls(self) -> bool:
        """Does CLS stand before the tokens of every group?"""
        rows, tokens = self.probabilities.shape[-2], self.pattern.groups(self.clip).shape[1]
        if rows not in (tokens, tokens + 1):
            raise ValueError(f"{self.name} has {rows} queries in a group, and {self.pattern} has {tokens} on the grid "
                             f"{tuple(self.clip)} (one more with CLS): where= names another pattern or grid")
        return rows > tokens

    def tokens(self) -> tuple[Tensor, Tensor]:
        """`(groups, q)` and `(groups, k)`: the row of the sequence of each query and key. CLS is 0, padding is -1."""
        return (self._with_cls(self.pattern.groups(self.clip)),
                self._with_cls(self.pattern.keys(self.clip, self.key_grid)))

    def _with_cls(self, groups: Tensor) -> Tensor:
        if not self.cls:
            return groups
        cls = torch.zeros(len(groups), 1, dtype=groups.dtype)
        return torch.cat([cls, torch.where(groups < 0, groups, groups + 1)], dim=1)

    def dense(self) -> Tensor:
        """`(b, head, s, s')` over the whole sequences, `s = t*n (+ 1 for CLS)`; pairs that never met are 0.

        A CLS that was copied into every group (divided attention) has its rows averaged, as the model averages them.
        """
        b, groups, heads, _, _ = self.probabilities.shape
        queries, keys = (x.to(self.probabilities.device) for x in self.tokens())
        rows, columns = self.grid.l + self.cls, self.key_grid.l + self.cls
        out = self.probabilities.new_zeros(b, heads, (rows + 1) * (columns + 1))  # the last row and column: padding
        queries, keys = queries % (rows + 1), keys % (columns + 1)  # -1 becomes the last
        place = queries[:, :, None] * (columns + 1) + keys[:, None, :]  # (groups, q, k)
        out.index_add_(2, place.reshape(-1), rearrange(self.probabilities, "b g head q k -> b head (g q k)"))
        out = out.unflatten(2, (rows + 1, columns + 1))[:, :, :rows, :columns]
        if self.cls:
            out[:, :, 0] /= groups
        return out

    def looks_from(self, t: int, h: int, w: int) -> Tensor:
        """`(b, head, t, h, w)` on the keys' grid: how much the patch in frame `t`, row `h`, column `w` looks."""
        for name, index, size in zip(("t", "h", "w"), (t, h, w), self.grid, strict=True):
            if not 0 <= index < size:
                raise IndexError(f"{name}={index} is outside the grid {tuple(self.grid)}; use 0 to {size - 1}")
        number = t * self.grid.n + h * self.grid.w + w
        group, place = (self.pattern.groups(self.clip) == number).nonzero()[0].tolist()
        return self._on_grid(self.probabilities[:, group, :, place + int(self.cls)], group)

    def cls_looks(self) -> Tensor:
        """`(b, head, t, h, w)`: how much CLS looks at every patch (averaged over its copies in divided attention)."""
        if not self.cls:
            raise ValueError(f"{self.name} has no CLS token; use looks_from(t, h, w)")
        groups = self.probabilities.shape[1]
        return sum(self._on_grid(self.probabilities[:, g, :, 0], g) for g in range(groups)) / groups

    def _on_grid(self, row: Tensor, group: int) -> Tensor:
        """One row of probabilities `(b, head, k)` of a group -> `(b, head, t, h, w)`; CLS and padding are left out."""
        keys = self.pattern.keys(self.clip, self.key_grid)[group].to(row.device)
        out = row.new_zeros(*row.shape[:2], self.key_grid.l + 1)
        out.index_add_(2, keys % (self.key_grid.l + 1), row[..., int(self.cls):])
        return out[..., :-1].unflatten(-1, tuple(self.key_grid))


def attention_names(model: nn.Module) -> list[str]:
    """The names of the model's attention modules, as their maps are called, in the order in which it was built."""
    return [_shown(name) for name, m in model.named_modules() if isinstance(m, Attention)]


def _shown(name: str) -> str:
    """blocks.0.temporal_attention.attention is named after its owner; a model may be one attention and nothing else."""
    return name.removesuffix(".attention") if name.endswith("_attention.attention") else name or "attention"


@contextmanager
def record_attention(model: nn.Module, only: Collection[str] | None = None) -> Iterator[dict[str, AttentionMap]]:
    """Collect the map of every attention module of `model`, by module name, in the order of the forward pass.

    only: names out of `attention_names(model)`, where all maps together would be too large. A second forward pass
    inside the same context replaces the maps of the first. Maps are detached. Raises ValueError when the model has none
    of this package's attention modules, or none of a name in `only`.
    """
    modules = {name: m for name, m in model.named_modules() if isinstance(m, Attention)}
    if only is not None:
        if missing := set(only) - {_shown(name) for name in modules}:
            raise ValueError(f"no attention is called {', '.join(sorted(missing))}; there are: "
                             f"{', '.join(attention_names(model))}")
        modules = {name: m for name, m in modules.items() if _shown(name) in only}
    if not modules:
        raise ValueError(f"{type(model).__name__} has no attention of this package, so there is nothing to record: "
                         "a CNN has none, and another library's model must be loaded into ours first (pretrained)")
    if any(m.record is not None for m in modules.values()):
        raise RuntimeError("this model is being recorded already; leave the other `with record_attention` first")
    maps: dict[str, AttentionMap] = {}

    def recorder(name: str):
        name = _shown(name)

        def record(probabilities: Tensor, where: Where | None) -> None:
            probabilities = probabilities.detach()
            if where is None:
                raise ValueError(f"{name} does not say where its tokens sit; pass where=Where(pattern, grid)")
            if probabilities.ndim == 4:  # one group: (b, head, q, k)
                probabilities = probabilities[:, None]
            key = f"{name}.{where.part}" if where.part else name
            maps.pop(key, None)  # keep the order of the last pass
            maps[key] = AttentionMap(key, probabilities, where.pattern, Grid(*where.grid))

        return record

    try:
        for name, module in modules.items():
            module.record = recorder(name)
        yield maps
    finally:
        for module in modules.values():
            module.record = None
