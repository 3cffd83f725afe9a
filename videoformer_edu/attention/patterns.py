"""Who may look at whom: each attention pattern as one predicate.

A pattern is a small frozen object. `looks` is the predicate itself, on places; `allowed(grid)` is its exact `(l, l)`
truth table (small grids: pictures in lessons, oracle in tests), `pairs(grid)` counts the true entries in closed form
(any size), and `groups(grid)` lists which tokens meet, which is how an efficient module arranges its work. Patterns
speak of patch tokens; CLS is each model's own affair. The sparse ones stand in `sparse_patterns.py` and
`generation_patterns.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from videoformer_edu.tokens import Grid


class Place(NamedTuple):
    """Frame, row and column of tokens: whole-number tensors of any one shape."""

    t: Tensor
    h: Tensor
    w: Tensor


class Pattern(ABC):
    """What every pattern offers; tokens are numbered `(t h w)`, time slowest.

    A pattern defines `looks`, `pairs` and `groups`. Every pair that may look meets in exactly one group.
    """

    @abstractmethod
    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        """bool, broadcast over the two: may a token at `query` look at one at `key`?"""

    @abstractmethod
    def pairs(self, grid: Grid) -> int:
        """Query-key pairs, the number of true entries of `allowed(grid)`."""

    @abstractmethod
    def groups(self, grid: Grid) -> Tensor:
        """`(groups, q)` token numbers: the queries of a row look at the keys of the same row; -1 stands for padding."""

    def keys(self, grid: Grid, key_grid: Grid) -> Tensor:
        """`(groups, k)` numbers of the keys, on their own grid; here: the tokens of a group look at one another."""
        return self.groups(key_grid)

    def query_grid(self, grid: Grid) -> Grid:
        """The grid on which the queries lie, where the clip has `grid`; here: the same."""
        return grid

    def key_grid(self, grid: Grid) -> Grid:
        """The grid on which the keys lie, where the clip has `grid`; here: the same."""
        return grid

    def allowed(self, grid: Grid) -> Tensor:
        """`(l, l')` bool: row = the query that looks, column = the key that is looked at."""
        grid = check_grid(grid)
        query, key = places(self.query_grid(grid)), places(self.key_grid(grid))
        return self.looks(Place(*(x[:, None] for x in query)), key, grid)

    def group_mask(self, grid: Grid) -> Tensor | None:
        """`(groups, 1 or q, k)` bool, who in a group may look at whom; None: all. Here: padding is not looked at."""
        real = self.keys(grid, self.key_grid(grid)) >= 0
        return None if real.all() else real[:, None]


def check_grid(grid: Grid) -> Grid:
    """The grid, or a ValueError that names the number to change."""
    grid = Grid(*grid)
    for name, size in zip(("t", "h", "w"), grid, strict=True):
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"a grid needs whole numbers of at least 1, got {name}={size!r} in {tuple(grid)}")
    return grid


def check_positive(owner: str, **numbers: int) -> None:
    """A ValueError that names the first of these numbers that is not a whole number of at least 1."""
    for name, number in numbers.items():
        if not isinstance(number, int) or number < 1:
            raise ValueError(f"{owner} needs a whole number of at least 1 for {name}, got {name}={number!r}")


def place_of(number: Tensor, grid: Grid) -> Place:
    """Where on the grid the tokens of these numbers sit."""
    return Place(number // grid.n, number % grid.n // grid.w, number % grid.w)


def places(grid: Grid) -> Place:
    """The place of every token of the clip, `(l,)` each."""
    return place_of(torch.arange(grid.l), grid)


def token_numbers(grid: Grid) -> Tensor:
    """`(t, n)` the number of each patch token."""
    grid = check_grid(grid)
    return torch.arange(grid.l).reshape(grid.t, grid.n)


@dataclass(frozen=True)
class Full(Pattern):
    """Joint space-time attention: every token looks at every token of the clip."""

    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        return (query.t >= 0) & (key.t >= 0)  # every frame there is

    def pairs(self, grid: Grid) -> int:
        return check_grid(grid).l ** 2

    def groups(self, grid: Grid) -> Tensor:
        return token_numbers(grid).reshape(1, -1)  # one group of l


@dataclass(frozen=True)
class Spatial(Pattern):
    """Every token looks at the tokens of its own frame."""

    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        return query.t == key.t

    def pairs(self, grid: Grid) -> int:
        return check_grid(grid).t * grid.n**2

    def groups(self, grid: Grid) -> Tensor:
        return token_numbers(grid)  # t groups of n


@dataclass(frozen=True)
class Temporal(Pattern):
    """Every token looks at the tokens at its own place, in all frames (its tube)."""

    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        return (query.h == key.h) & (query.w == key.w)

    def pairs(self, grid: Grid) -> int:
        return check_grid(grid).n * grid.t**2

    def groups(self, grid: Grid) -> Tensor:
        return token_numbers(grid).T  # n groups of t


@dataclass(frozen=True)
class Axial(Pattern):
    """Every token looks along one axis of the clip, "t", "h" or "w": the line through its own place.

    Three of these in turn let every token reach every other (axial attention, Ho et al. 2019; TimeSformer, figure 3).
    """

    axis: str

    def __post_init__(self):
        if self.axis not in ("t", "h", "w"):
            raise ValueError(f'axis must be "t", "h" or "w", got {self.axis!r}')

    def looks(self, query: Place, key: Place, grid: Grid) -> Tensor:
        first, second = (axis for axis in "thw" if axis != self.axis)
        return (getattr(query, first) == getattr(key, first)) & (getattr(query, second) == getattr(key, second))

    def pairs(self, grid: Grid) -> int:
        return check_grid(grid).l * getattr(grid, self.axis)

    def groups(self, grid: Grid) -> Tensor:
        numbers = token_numbers(grid).reshape(tuple(grid)).movedim("thw".index(self.axis), 2)
        return numbers.reshape(-1, getattr(grid, self.axis))  # one group a line


def factorised_dot_product(heads: int) -> tuple[Pattern, ...]:
    """One pattern a head: the first half of the heads in time, the second in space (ViViT, section 3.3, model 4)."""
    if heads % 2 or heads < 2:
        raise ValueError(f"half of the heads look along time and half across space, got heads={heads}; "
                         f"use an even number such as {heads + 1}")
    return (Temporal(),) * (heads // 2) + (Spatial(),) * (heads // 2)
