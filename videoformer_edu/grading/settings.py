"""What a learner has set in the process stays out of a check, and what an answer sets does not outlive it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

SETTINGS = (  # of the process, which a learner may have changed: how each is read and set, and what a check needs
    (torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"),
    (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, None),  # None: as it is
    (torch.get_num_threads, torch.set_num_threads, None),
)


@contextmanager
def plain_settings() -> Iterator[None]:
    """On the CPU, in float32, with gradients and without autocast; afterwards everything as it was before."""
    before = [read() for read, _, _ in SETTINGS]
    for _, write, wanted in SETTINGS:
        if wanted is not None:
            write(wanted)
    try:
        with (torch.device("cpu"), torch.inference_mode(False), torch.enable_grad(),
              torch.autocast("cpu", enabled=False)):
            yield
    finally:
        for (read, write, _), value in zip(SETTINGS, before, strict=True):
            if read() != value:
                write(value)


@contextmanager
def own_random_numbers(seed: int) -> Iterator[None]:
    """Random numbers from `seed`; afterwards the learner's own go on where they were."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    try:
        with np.errstate(all="ignore"):  # what overflows in a wrong answer is seen in its numbers
            yield
    finally:
        for write, value in zip((random.setstate, np.random.set_state, torch.set_rng_state), before, strict=True):
            write(value)
