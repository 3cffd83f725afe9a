"""What depends on the grid alone is worked out once, not in every forward pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

import torch
from torch._subclasses.fake_tensor import unset_fake_temporarily  # torch has loaded it already

Made = TypeVar("Made")


def made_once(make: Callable[..., Made]) -> Callable[..., Made]:
    """Decorator: the last 64 results are kept, by argument. For indices and masks: nothing that is learned.

    Results serve training even if inference mode made them, and are numbers even if the first call came where shapes
    alone are followed (FakeTensorMode). `torch.compile(dynamic=False)` takes them for constants of its graph: the mark
    below is what `torch.compiler.assume_constant_result` sets, which loads the whole compiler merely to set it.
    Arguments must be plain for that: tuples, numbers, devices, patterns.
    """
    keep = lru_cache(maxsize=64)(make)

    @wraps(make)
    def made(*arguments):
        with torch.inference_mode(False), unset_fake_temporarily():
            return keep(*arguments)

    made._dynamo_marked_constant = True
    made.cache_clear = keep.cache_clear
    return made
