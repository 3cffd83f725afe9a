"""Plain data of what an answer is given and gives back: arrays become tensors and tensors arrays, also within dicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

LARGE = 10**6  # numbers; of a larger result only the shape is read, no exercise asks for one
DEEP = 4  # tuples within tuples


@dataclass(frozen=True, eq=False)
class Returned:
    """What came back. `kind`: "tensor", "array" (NumPy's), "number", "text", "tuple" (or list), "dict", "nothing",
    "other". `value`: an array, a number, a string, a tuple or dict of Returned; None where it was not read."""

    kind: str
    value: object = None
    dtype: str = ""
    seen: str = ""  # the returned object in a few words


def read(returned: object) -> Returned:
    """The returned object as plain data of its own, also where it raises when it is looked at."""
    try:
        return _read(returned)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Returned("other", seen=f"an object of type {type(returned).__name__} that cannot be read "
                                      f"({type(error).__name__})")


def _read(returned: object, depth: int = 0) -> Returned:
    kind = type(returned).__name__
    if returned is None or returned is ...:
        return Returned("nothing", seen=repr(returned))
    if isinstance(returned, torch.Tensor):
        return _tensor(torch.Tensor.detach(returned))
    if isinstance(returned, np.ndarray) or (isinstance(returned, np.generic) and returned.dtype.kind not in "biuf"):
        found, dtype = tuple(np.shape(returned)), np.asarray(returned).dtype
        seen = f"a NumPy array of shape {found}"
        if dtype.kind not in "biufc":
            return Returned("other", seen=f"{seen} that holds {'objects' if dtype.kind == 'O' else dtype}")
        value = np.broadcast_to(dtype.type(0), found) if returned.size > LARGE else np.array(returned, subok=False)
        return Returned("array", value, str(dtype), seen)
    if isinstance(returned, bool | int | float | np.generic):
        plain = returned.item() if isinstance(returned, np.generic) else returned
        if isinstance(plain, int) and not -2**63 <= plain < 2**63:
            return Returned("other", seen="a number of more than 64 bits")
        plain = next(kind(plain) for kind in (bool, int, float) if isinstance(plain, kind))
        return Returned("number", plain, type(plain).__name__, repr(plain))
    if isinstance(returned, str):
        return Returned("text", str(returned[:1000]), "", repr(returned[:80]))
    if isinstance(returned, tuple | list | Mapping) and len(returned) <= 1000 and depth < DEEP:
        if isinstance(returned, Mapping):
            parts = {str(key): _read(value, depth + 1) for key, value in returned.items()}
            return Returned("dict", parts, "", f"a dict with the keys {', '.join(list(parts)[:8]) or '(none)'}")
        parts = tuple(_read(value, depth + 1) for value in returned)
        seen = f"a {kind} of {len(parts)}"
        if parts and all(part.kind == "number" for part in parts):
            seen = repr(type(returned)(part.value for part in parts))[:80] if kind in ("list", "tuple") else seen
        return Returned("tuple", parts, "", seen)
    return Returned("other", seen=f"an object of type {kind}")


def _tensor(tensor: torch.Tensor) -> Returned:
    found, dtype = tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")
    if tensor.is_meta or tensor.layout is not torch.strided:
        where = "on the device meta" if tensor.is_meta else f"with the layout {tensor.layout}"
        return Returned("other", seen=f"a tensor {where}, which holds no numbers that can be compared")
    if tensor.numel() > LARGE:
        value = np.broadcast_to(np.float32(0), found)
    else:
        tensor = tensor.cpu().resolve_conj().resolve_neg()
        value = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy().copy()
    return Returned("tensor", value, dtype, f"a tensor of shape {found}")


def alike(first: Returned, second: Returned) -> bool:
    """The same but for the last digits, which may depend on the kernel that torch picks."""
    if first.kind != second.kind or type(first.value) is not type(second.value):
        return False
    if isinstance(first.value, np.ndarray):
        return first.value.shape == second.value.shape and (first.value.size > LARGE or bool(
            np.allclose(first.value, second.value, rtol=1e-4, atol=1e-5, equal_nan=True)))
    if isinstance(first.value, tuple | dict):
        if len(first.value) != len(second.value):
            return False
        pairs = (((first.value[key], second.value.get(key)) for key in first.value)
                 if isinstance(first.value, dict) else zip(first.value, second.value, strict=True))
        return all(other is not None and alike(one, other) for one, other in pairs)
    if isinstance(first.value, float):
        return bool(np.isclose(first.value, second.value, rtol=1e-4, equal_nan=True))
    return first.value == second.value


def float_parts(values: object, name: str = "") -> Iterator[tuple[str, object]]:
    """The float tensors (or arrays) in a structure with their names: `x`, `weights['mlp.0.bias']`, `pair[1]`."""
    if isinstance(values, torch.Tensor | np.ndarray):
        if values.dtype.is_floating_point if isinstance(values, torch.Tensor) else values.dtype.kind == "f":
            yield name, values
    elif isinstance(values, Mapping):
        for key, value in sorted(values.items(), key=lambda item: str(item[0])):
            yield from float_parts(value, f"{name}[{key!r}]" if name else str(key))
    elif isinstance(values, list | tuple):
        for number, value in enumerate(values):
            yield from float_parts(value, f"{name}[{number}]")


def to_torch(value: object) -> object:
    """Arrays become tensors of memory of their own, also within tuples and dicts; everything else stays."""
    if isinstance(value, np.ndarray):
        return torch.tensor(value)
    if isinstance(value, Mapping):
        return {key: to_torch(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return tuple(to_torch(part) for part in value)
    return value


def unchanged(argument: object, value: object) -> bool:
    """Is the argument still what the case holds, after the answer had it in its hands?"""
    try:
        if isinstance(value, np.ndarray):
            return np.array_equal(argument.detach().numpy(), value, equal_nan=value.dtype.kind == "f")
        if isinstance(value, Mapping):
            return set(argument) == set(value) and all(unchanged(argument[key], value[key]) for key in value)
        if isinstance(value, tuple):
            return len(argument) == len(value) and all(map(unchanged, argument, value))
    except Exception:  # the answer put something into it that is no such array
        return False
    return True
