"""Who may look at whom: each attention pattern as one predicate.

A pattern is a small frozen object. `allowed(grid)` is its exact `(l, l)` truth table (small grids: pictures in lessons,
oracle in tests), `pairs(grid)` counts the true entries in closed form (any size), and `groups(grid)` lists which tokens
attend among themselves, which is how an efficient module arranges its work. Patterns speak of patch tokens; CLS is
each model's own affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from videoformer_edu.tokens import Grid


class Pattern(Protocol):
    """What every pattern offers; tokens are numbered `(t h w)`, time slowest."""

    def allowed(self, grid: Grid) -> Tensor:
        """`(l, l)` bool: row = the query that looks, column = the key that is looked at."""

    def pairs(self, grid: Grid) -> int:
        """Query-key pairs, the number of true entries of `allowed(grid)`."""

    def groups(self, grid: Grid) -> Tensor:
        """`(groups, k)` token numbers: the tokens of a row attend among themselves; -1 stands for padding.

        A pattern whose queries and keys differ has `keys` too, `(groups, k)`, beside its `(groups, q)` queries.
        """


def check_grid(grid: Grid) -> Grid:
    """The grid, or a ValueError that names the number to change."""
    grid = Grid(*grid)
    for name, size in zip(("t", "h", "w"), grid, strict=True):
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"a grid needs whole numbers of at least 1, got {name}={size!r} in {tuple(grid)}")
    return grid


def keys_of(pattern: Pattern, grid: Grid, key_grid: Grid) -> Tensor:
    """`(groups, k)` numbers of the keys on their own grid: `pattern.keys` where it has one, else its groups."""
    if hasattr(pattern, "keys"):
        return pattern.keys(grid, key_grid)
    return pattern.groups(key_grid)


def token_numbers(grid: Grid) -> Tensor:
    """`(t, n)` the number of each patch token."""
    grid = check_grid(grid)
    return torch.arange(grid.l).reshape(grid.t, grid.n)


@dataclass(frozen=True)
class Full:
    """Joint space-time attention: every token looks at every token of the clip."""

    def allowed(self, grid: Grid) -> Tensor:
        return torch.ones(check_grid(grid).l, grid.l, dtype=torch.bool)

    def pairs(self, grid: Grid) -> int:
        return check_grid(grid).l ** 2

    def groups(self, grid: Grid) -> Tensor:
        return token_numbers(grid).reshape(1, -1)  # one group of l


@dataclass(frozen=True)
class Spatial:
    """Every token looks at the tokens of its own frame."""

    def allowed(self, grid: Grid) -> Tensor:
        frame = torch.arange(check_grid(grid).l) // grid.n  # (l,)
        return frame[:, None] == frame[None]

    def pairs(self, grid: Grid) -> int:
        return check_grid(grid).t * grid.n**2

    def groups(self, grid: Grid) -> Tensor:
        return token_numbers(grid)  # t groups of n


@dataclass(frozen=True)
class Temporal:
    """Every token looks at the tokens at its own place, in all frames (its tube)."""

    def allowed(self, grid: Grid) -> Tensor:
        place = torch.arange(check_grid(grid).l) % grid.n  # (l,)
        return place[:, None] == place[None]

    def pairs(self, grid: Grid) -> int:
        return check_grid(grid).n * grid.t**2

    def groups(self, grid: Grid) -> Tensor:
        return token_numbers(grid).T  # n groups of t


def factorised_dot_product(heads: int) -> tuple[Pattern, ...]:
    """One pattern a head: the first half of the heads in time, the second in space (ViViT, section 3.3, model 4)."""
    if heads % 2 or heads < 2:
        raise ValueError(f"half of the heads look along time and half across space, got heads={heads}; "
                         f"use an even number such as {heads + 1}")
    return (Temporal(),) * (heads // 2) + (Spatial(),) * (heads // 2)
