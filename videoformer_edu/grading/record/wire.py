"""Plain data as bytes and back: numbers, strings, arrays, lists and dicts. No pickle, nothing compressed, no code.

A message is the length of its outline, the outline in JSON, and the bytes of its arrays behind one another. Reading
trusts nothing: an array has exactly the bytes that its shape says, so that no message grows when it is read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np

DTYPES = frozenset(["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
                    "float32", "float64", "complex64", "complex128"])
OUTLINE = 2**22  # bytes of JSON


class Forged(ValueError):
    """These bytes were not written by `packed`."""


def packed(value: object) -> bytes:
    """Raises TypeError for what is no plain data."""
    arrays: list[bytes] = []
    outline = json.dumps(_outline(value, arrays)).encode()
    return b"".join([len(outline).to_bytes(8, "little"), outline, *arrays])


def _outline(value: object, arrays: list[bytes]) -> object:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.generic) and value.dtype.name in DTYPES:
        return value.item()
    if type(value) is np.ndarray and value.dtype.name in DTYPES:
        if value.size and not any(value.strides):  # one number for all: only its form is told
            return {"form": [value.dtype.name, list(value.shape)]} if value.size > 1 else _array(value, arrays)
        return _array(value, arrays)
    if isinstance(value, Mapping):
        return {"dict": [[str(key), _outline(part, arrays)] for key, part in value.items()]}
    if isinstance(value, list | tuple):
        return [_outline(part, arrays) for part in value]
    raise TypeError(f"{type(value).__name__} is no plain data")


def _array(value: np.ndarray, arrays: list[bytes]) -> dict:
    arrays.append(np.ascontiguousarray(value).tobytes())
    return {"array": [value.dtype.name, list(value.shape)]}


def unpacked(message: bytes) -> object:
    """Lists come back as tuples; everything else as it went in. Raises Forged for all other bytes."""
    length = int.from_bytes(message[:8], "little")
    if len(message) < 8 or not 0 < length <= min(OUTLINE, len(message) - 8):
        raise Forged("the message ends too early")
    try:
        outline = json.loads(message[8:8 + length].decode())
        rest = _Rest(memoryview(message)[8 + length:])
        value = _value(outline, rest)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError, MemoryError) as error:
        raise Forged(f"not a message: {type(error).__name__}") from None
    if len(rest.bytes):
        raise Forged("more bytes than arrays")
    return value


class _Rest:
    def __init__(self, there: memoryview):
        self.bytes = there

    def take(self, count: int) -> memoryview:
        if count > len(self.bytes):
            raise Forged("fewer bytes than an array needs")
        taken, self.bytes = self.bytes[:count], self.bytes[count:]
        return taken


def _value(outline: object, rest: _Rest) -> object:
    if isinstance(outline, list):
        return tuple(_value(part, rest) for part in outline)
    if not isinstance(outline, dict):
        return outline
    ((kind, said),) = outline.items()
    if kind == "dict":
        found = {key: _value(part, rest) for key, part in said}
        if len(found) != len(said) or not all(isinstance(key, str) for key in found):
            raise Forged("odd keys")
        return found
    name, shape = said
    if name not in DTYPES or len(shape) > 32 or not all(type(axis) is int and 0 <= axis < 2**40 for axis in shape):
        raise Forged("no such array")
    dtype, count = np.dtype(name), math.prod(shape)
    if kind == "form" and count < 2**50:
        return np.broadcast_to(np.zeros((), dtype), shape)
    if kind != "array":
        raise Forged(f"no such kind {kind!r:.20}")
    found = np.frombuffer(rest.take(count * dtype.itemsize), dtype).reshape(shape).copy()
    return found.view(np.uint8).astype(bool).reshape(shape) if name == "bool" else found  # a bool of any other byte
