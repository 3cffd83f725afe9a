"""What depends on the grid alone, index tables and masks, is worked out once, not in every forward pass."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, wraps
from typing import TypeVar

Made = TypeVar("Made")


def cached_constant(make: Callable[..., Made]) -> Callable[..., Made]:
    """Decorator: the last 64 results are kept, by argument. For indices and masks: nothing that is learned.

    Each is made in a thread of its own, where no mode of the caller reaches: made in inference mode, it serves training
    afterwards; made while shapes alone are followed (fake tensors, a default device), it still holds numbers.
    Arguments are plain: tuples, numbers, devices, patterns. So `torch.compile(dynamic=False)` may take the result for a
    constant of its graph. The mark for that is private: `torch.compiler.assume_constant_result` sets the same one, and
    loads the whole compiler, a second at each import, merely to do so.
    """
    @lru_cache(maxsize=64)
    def made(*arguments):
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(make, *arguments).result()

    @wraps(make)
    def kept(*arguments):
        return made(*arguments)

    kept._dynamo_marked_constant = True
    kept.cache_clear = made.cache_clear
    return kept
