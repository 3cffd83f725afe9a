"""What a child left behind, read as if an enemy had written it: what is right in its form, or nothing at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from videoformer_edu.grading.collect import Call, Given
from videoformer_edu.grading.crash import Crash
from videoformer_edu.grading.record.wire import Forged, unpacked
from videoformer_edu.grading.returned import DEEP, LARGE, Returned, float_parts

KINDS = ("tensor", "array", "number", "text", "tuple", "dict", "nothing", "other")


def given_of(result: bytes, calls: Sequence[Call]) -> list[Given]:
    """The first records, one for each call that came to its end. Raises Forged where one is not as it must be."""
    out = []
    for call in calls:
        length = int.from_bytes(result[:8], "little")
        if len(result) < 8 + length or len(result) < 8:
            return out
        out.append(_given(unpacked(result[8:8 + length]), call))
        result = result[8 + length:]
    if result:
        raise Forged("more records than calls")
    return out


def _need(holds: object, what: str) -> None:
    if not holds:
        raise Forged(what)


def _given(said: object, call: Call) -> Given:
    names = {"returned", "crash", "stub", "waits", "changed", "random", "gradients", "gradient_crash", "late"}
    _need(isinstance(said, Mapping) and set(said) == names, "another kind of record")
    _need(type(said["stub"]) is bool and type(said["random"]) is bool and said["late"] is None, "odd words")
    _need(all(name in call.inputs for name in _texts(said["changed"])), "no such argument")
    returned, crash = _returned(said["returned"]), _crash(said["crash"])
    _need(said["stub"] or (returned is None) != (crash is None), "a result and a crash, or neither")
    gradient_crash, gradients = _crash(said["gradient_crash"]), None
    if call.seed is not None and crash is None and gradient_crash is None:
        gradients = _gradients(said["gradients"] or {}, call)
    return Given(returned, crash, said["stub"], _texts(said["waits"]), _texts(said["changed"]), said["random"],
                 gradients, gradient_crash)


def _gradients(said: object, call: Call) -> dict[str, np.ndarray | None]:
    """One for each float array of the arguments, of its shape; whatever is not told is none."""
    asked = dict(float_parts(call.inputs))
    _need(isinstance(said, Mapping) and set(said) <= set(asked), "gradients of something else")
    for name, found in said.items():
        _need(found is None or (isinstance(found, np.ndarray) and found.dtype.kind == "f"
                                and found.shape == asked[name].shape), "a gradient of another form")
    return {name: said.get(name) for name in asked}


def _returned(said: object, depth: int = 0) -> Returned | None:
    if said is None and not depth:
        return None
    _need(isinstance(said, Mapping) and set(said) == {"kind", "value", "dtype", "seen"}, "another kind of result")
    kind, value, dtype, seen = said["kind"], said["value"], _text(said["dtype"]), _text(said["seen"])
    _need(kind in KINDS and depth <= DEEP + 1, "no such kind")
    if kind in ("tensor", "array"):
        _need(isinstance(value, np.ndarray), "no array")
        kept = str(value.dtype)
        same = dtype == kept or (dtype, kept) == ("bfloat16", "float32") or value.size > LARGE
        _need(same, "an array of other numbers")
        _need(value.size <= LARGE or not any(value.strides), "more numbers than are read")
        seen = f"a {'tensor' if kind == 'tensor' else 'NumPy array'} of shape {value.shape}"
    elif kind == "number":
        _need(type(value) in (bool, int, float), "no number")
        _need(not isinstance(value, int) or -2**63 <= value < 2**63, "too large a number")
        dtype, seen = type(value).__name__, repr(value)
    elif kind == "text":
        _need(isinstance(value, str) and len(value) <= 1000, "no text")
        value = _text(value)
    elif kind == "tuple":
        _need(isinstance(value, tuple) and len(value) <= 1000, "no tuple")
        value = tuple(_returned(part, depth + 1) for part in value)
    elif kind == "dict":
        _need(isinstance(value, Mapping) and len(value) <= 1000, "no dict")
        value = {_text(key): _returned(part, depth + 1) for key, part in value.items()}
    else:
        _need(value is None, "something where nothing is")
    return Returned(kind, value, dtype, seen)


def _crash(said: object) -> Crash | None:
    if said is None:
        return None
    names = {"kind", "words", "line", "text", "place"}
    _need(isinstance(said, Mapping) and set(said) == names, "another kind of crash")
    line = said["line"]
    _need(line is None or (type(line) is int and 0 < line < 10**6), "no line")
    return Crash(_text(said["kind"])[:80], _text(said["words"]), line, _text(said["text"]), _text(said["place"])[:100])


def _texts(said: object) -> tuple[str, ...]:
    _need(isinstance(said, tuple) and len(said) <= 100, "no list of names")
    return tuple(map(_text, said))


def _text(said: object) -> str:
    """One short line without control characters."""
    _need(isinstance(said, str) and len(said) <= 20_000, "no text")
    return "".join(letter if letter.isprintable() else " " for letter in said[:500])
