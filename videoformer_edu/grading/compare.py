"""What the oracle says beside what came back, part by part: the same form, and how far apart the numbers are.

The oracle's plain result says what is asked for: an array a tensor, a number a number, a tuple or dict the same of its
parts. A learner may give a list for a tuple, a tensor without axes for a number, a whole float for a whole number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from videoformer_edu.grading.returned import Returned
from videoformer_edu.grading.spec import Tolerance


@dataclass(frozen=True, eq=False)
class Pair:
    """One array, number or string that is asked for, and what came back in its place. `name`: "" for a whole result."""

    name: str
    expected: object
    given: Returned

    @property
    def is_array(self) -> bool:
        return isinstance(self.expected, np.ndarray)

    @property
    def value(self) -> object:
        """What came back as an array, a number or a string."""
        plain = self.given.value
        if not self.is_array and isinstance(plain, np.ndarray):
            plain = plain.item()
        if kind_of(self.expected) == "a whole number" and isinstance(plain, float) and plain.is_integer():
            return self.expected if plain == float(self.expected) else int(plain)  # as exact as a float can be
        return plain


@dataclass(frozen=True, eq=False)
class Misfit:
    """A part of the result that has another form than what is asked for. `name` is "" for the whole result."""

    name: str
    wanted: str
    given: Returned


def pairs(expected: object, given: Returned, name: str = "") -> list[Pair] | Misfit:
    """The parts of a result side by side, or the first one that has another form."""
    if isinstance(expected, Mapping):
        if given.kind != "dict" or set(given.value) != set(expected):
            return Misfit(name, f"a dict with the keys {', '.join(expected)}", given)
        parts = [(f"{name}[{key!r}]", expected[key], given.value[key]) for key in expected]
    elif isinstance(expected, tuple):
        entries = given.value
        if given.kind in ("tensor", "array") and given.value.shape == (len(expected),):
            entries = [Returned("number", value.item(), given.dtype, repr(value.item())) for value in given.value]
        if (given.kind != "tuple" and entries is given.value) or len(entries) != len(expected):
            return Misfit(name, f"a tuple of {len(expected)}", given)
        parts = [(f"{name}[{i}]", *two) for i, two in enumerate(zip(expected, entries, strict=True))]
    else:
        return [Pair(name, expected, given)] if fits(expected, given) else Misfit(name, kind_of(expected), given)
    found = [pairs(part, there, place) for place, part, there in parts]
    missing = next((one for one in found if isinstance(one, Misfit)), None)
    return missing or [pair for one in found for pair in one]


def kind_of(expected: object) -> str:
    """`a torch tensor`, `a whole number`, ... in the singular."""
    if isinstance(expected, np.ndarray):
        return "one torch tensor"
    if expected is None:
        return "nothing"
    if isinstance(expected, bool | np.bool_):
        return "True or False"
    if isinstance(expected, int | np.integer):
        return "a whole number"
    return "a number" if isinstance(expected, float | np.floating) else "a string"


def fits(expected: object, given: Returned) -> bool:
    """Is it of the right kind? Shapes and dtypes are another rung."""
    if isinstance(expected, np.ndarray):
        return given.kind == "tensor"
    if expected is None or isinstance(expected, str):
        return given.kind == ("nothing" if expected is None else "text")
    if given.kind in ("tensor", "array"):
        return given.value.ndim == 0 and given.value.dtype.kind in "biuf"
    return given.kind == "number"


def plain(expected: object, given: Returned) -> object:
    """What came back as plain data in the form of `expected`, once `pairs` has found that form."""
    if isinstance(expected, Mapping):
        return {key: plain(expected[key], given.value[key]) for key in expected}
    if isinstance(expected, tuple):
        entries = (given.value if given.kind == "tuple"
                   else [Returned("number", value.item()) for value in given.value])
        return tuple(plain(*two) for two in zip(expected, entries, strict=True))
    return Pair("", expected, given).value


def as_is(given: Returned | None) -> object:
    """What came back as plain data in its own form; None where there is none."""
    if given is None or given.kind in ("nothing", "other"):
        return None
    if given.kind == "dict":
        return {key: as_is(part) for key, part in given.value.items()}
    return tuple(map(as_is, given.value)) if given.kind == "tuple" else given.value


def telling(value: object) -> bool:
    """Does it prove anything to agree with this? Two whole numbers may agree by accident, many real ones do not."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size >= 8


def distance(expected: object, given: Returned | None, tolerance: Tolerance) -> float:
    """The largest difference in units of what is allowed: up to 1 is equal, inf is another form or dtype."""
    if expected is None or given is None:
        return math.inf
    found = pairs(expected, given)
    return math.inf if isinstance(found, Misfit) else max((how_far(pair, tolerance) for pair in found), default=0.0)


def how_far(pair: Pair, tolerance: Tolerance) -> float:
    value, expected = pair.value, pair.expected
    if pair.is_array:
        if value.shape != expected.shape or (value.dtype.kind == "f") != (expected.dtype.kind == "f") or (
                (value.dtype.kind == "b") != (expected.dtype.kind == "b")) or value.dtype.kind not in "biuf":
            return math.inf
        return float(apart(value, expected, tolerance).max(initial=0.0))
    if expected is None or isinstance(expected, str):
        return 0.0 if value == expected else math.inf
    if kind_of(expected) == "True or False" and not isinstance(value, bool):
        return math.inf
    return float(apart(np.asarray(value), np.asarray(expected), tolerance).max())


def apart(value: np.ndarray, expected: np.ndarray, tolerance: Tolerance) -> np.ndarray:
    """Number by number, in units of what is allowed. Whole numbers and bools are equal or infinitely far apart."""
    if expected.dtype.kind in "biu":
        return np.where(value == expected, 0.0, math.inf)
    value, expected = value.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        far = np.abs(value - expected) / (tolerance.absolute + tolerance.relative * np.abs(expected))
    far = np.where(np.isnan(far), math.inf, far)
    return np.where((value == expected) | (np.isnan(value) & np.isnan(expected)), 0.0, far)
