"""Checkpoints that flax has written (`flax.serialization.to_bytes`): the format of scenic's published ViViTs.

One MessagePack map of maps (github.com/msgpack/msgpack, spec.md). An array is an extension of type 1 whose payload is
again MessagePack: shape, name of the dtype, bytes. Reading takes no library and runs no code of the file's.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

import torch
from torch import Tensor

ARRAY, SCALAR = 1, 3  # flax's own extension types; 2 is a complex number
NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
           0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
# First byte of what has a length -> kind, bytes of the length.
LENGTHS = {0xC4: ("bytes", 1), 0xC5: ("bytes", 2), 0xC6: ("bytes", 4), 0xC7: ("extension", 1), 0xC8: ("extension", 2),
           0xC9: ("extension", 4), 0xD9: ("text", 1), 0xDA: ("text", 2), 0xDB: ("text", 4), 0xDC: ("array", 2),
           0xDD: ("array", 4), 0xDE: ("map", 2), 0xDF: ("map", 4)}


def is_flax_file(path: Path) -> bool:
    """Does the file begin as a MessagePack map with something in it? (A pickle begins with 0x80, an empty map.)"""
    with path.open("rb") as file:
        first = file.read(1)
    return first in (b"\xde", b"\xdf") or b"\x81" <= first <= b"\x8f"


def load_flax(path: Path) -> dict[str, Tensor]:
    """The parameters in a flax checkpoint under "/"-joined names, as they were saved: `{"cls": (1, 1, d), ...}`.

    Of a training state only `params` (or `optimizer/target`, its older place) is handed on. Raises ValueError if the
    file is cut short or holds something else.
    """
    with path.open("rb") as file:  # only what is copied into a model is ever read: the optimiser's state is not
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    tree, end = _value(data, 0)
    if end != len(data) or not isinstance(tree, dict):
        raise ValueError("it holds more than one MessagePack map, or none")
    for place in (("optimizer", "target"), ("target",), ("params",), ("params",)):  # the last: a variable collection
        inner = tree
        for name in place:
            inner = inner.get(name) if isinstance(inner, dict) else None
        tree = inner if isinstance(inner, dict) else tree
    return dict(_leaves(tree, ""))


def _leaves(tree: dict, prefix: str):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value


def _value(data: memoryview, at: int):
    """The value whose first byte is at `at`, and where the next one begins."""
    first, at = data[at], at + 1
    if first <= 0x7F or first >= 0xE0:
        return first - 256 * (first >= 0xE0), at
    if first in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[first], at
    if first in NUMBERS:
        return struct.unpack_from(NUMBERS[first], data, at)[0], at + struct.calcsize(NUMBERS[first])
    if first <= 0x8F:
        kind, length = "map", first & 0x0F
    elif first <= 0x9F:
        kind, length = "array", first & 0x0F
    elif first <= 0xBF:
        kind, length = "text", first & 0x1F
    elif 0xD4 <= first <= 0xD8:
        kind, length = "extension", 2 ** (first - 0xD4)
    elif first in LENGTHS:
        kind, width = LENGTHS[first]
        length, at = int.from_bytes(data[at:at + width], "big"), at + width
    else:
        raise ValueError(f"0x{first:02x} begins no MessagePack value")
    if kind == "map":
        return _map(data, at, length)
    if kind == "array":
        items = []
        for _ in range(length):
            item, at = _value(data, at)
            items.append(item)
        return items, at
    code = data[at] if kind == "extension" else 0
    at += kind == "extension"
    payload = data[at:at + length]
    if len(payload) < length:
        raise ValueError("the file is cut short")
    if kind == "extension":
        return _tensor(payload) if code in (ARRAY, SCALAR) else None, at + length
    return (str(payload, "utf-8") if kind == "text" else payload), at + length


def _map(data: memoryview, at: int, length: int) -> tuple[dict, int]:
    pairs = {}
    for _ in range(length):
        key, at = _value(data, at)
        value, at = _value(data, at)
        pairs[key] = value
    return pairs, at


def _tensor(payload: memoryview) -> Tensor:
    """shape, dtype, bytes -> a tensor on the same memory (in C order)."""
    (shape, dtype, numbers), _ = _value(payload, 0)
    kind = getattr(torch, dtype if isinstance(dtype, str) else str(dtype, "ascii"))
    if not isinstance(kind, torch.dtype):
        raise ValueError(f"{dtype} is no dtype")
    if len(numbers) == 0:
        return torch.zeros(shape, dtype=kind)
    return torch.frombuffer(numbers, dtype=kind).reshape(shape)
