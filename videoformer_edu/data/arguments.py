"""Checks of what a caller asks for, shared by all the generators."""

import torch


def check_count(name: str, value: int, least: int = 1) -> None:
    """Raise ValueError unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is {value!r}; expected a whole number of at least {least}")


def check_split(split: str) -> None:
    """Raise ValueError unless `split` is "train" or "test"."""
    if split not in ("train", "test"):
        raise ValueError(f'split is {split!r}; expected "train" or "test"')


def random_generator(generator: torch.Generator | None, seed: int | None) -> torch.Generator:
    """The one source of chance: exactly one of `generator` and `seed` must be given."""
    if (generator is None) == (seed is None):
        given = "neither" if seed is None else "both"
        raise ValueError(f"{given} of generator and seed given; give one of them, for example seed=0")
    return generator if seed is None else torch.Generator().manual_seed(seed)
