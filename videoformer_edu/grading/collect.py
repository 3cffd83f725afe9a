"""The first half of a check: call the answer and bring back plain data. This is the one place that calls it.

Nothing here knows a case's oracle, an exercise or a sheet, so a child process needs this file, `crash.py`,
`returned.py` and `settings.py` alone; what it brings back holds arrays, numbers and strings only. An endless loop
cannot be stopped from inside a notebook: the learner interrupts the kernel, which is why KeyboardInterrupt passes
through; whoever runs a child and stops it says so with `Given(late=seconds)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from videoformer_edu.grading.crash import Crash, crash_of, is_stub, stubs_called, wrong_signature
from videoformer_edu.grading.returned import LARGE, Returned, alike, float_parts, read, to_torch, unchanged
from videoformer_edu.grading.settings import plain_settings


@dataclass(frozen=True, eq=False)
class Call:
    """One call to make: arrays become tensors, whatever else stands in `inputs` stays as it is.

    `twice` makes it again, to see whether the result is the same; `seed` makes it again for the gradients of the
    result's float tensors, weighed by `cotangents(seed, ...)`, with respect to all float tensors of the arguments.
    """

    function: str
    inputs: Mapping[str, object]
    twice: bool = True
    seed: int | None = None


@dataclass(frozen=True, eq=False)
class Given:
    """What became of one call."""

    returned: Returned | None = None
    crash: Crash | None = None
    stub: bool = False  # the function is not written yet
    waits: tuple[str, ...] = ()  # functions that it calls and that are not written yet
    changed: tuple[str, ...] = ()  # arguments that it wrote into
    random: bool = False  # a second call with the same inputs gave something else
    gradients: Mapping[str, np.ndarray | None] | None = None  # by the name of the argument; None: cut off
    gradient_crash: Crash | None = None
    late: float | None = None  # it was stopped after so many seconds


def collect(answer: Mapping[str, object], calls: Sequence[Call], helpers: Sequence[str] = ()) -> tuple[Given, ...]:
    """Make the calls. `answer` holds functions by name; None, ... or nothing is a function not written yet.

    helpers: names of functions that the learner did not write; the line of a crash is looked for outside of them.
    """
    return tuple(_collect(answer.get(call.function), call, helpers) for call in calls)


@plain_settings()
def _collect(function: object, call: Call, helpers: Sequence[str]) -> Given:
    if function is None or function is ... or is_stub(function):
        return Given(stub=True)
    waits = stubs_called(function)
    refused = wrong_signature(function, call.inputs)
    if refused:
        return Given(crash=Crash("TypeError", refused), waits=waits)
    arguments = {name: to_torch(value) for name, value in call.inputs.items()}
    returned, crash = _run(function, arguments, helpers)
    if crash is not None:
        return Given(crash=crash, waits=waits)
    seen = read(returned)
    changed = tuple(name for name, value in call.inputs.items() if not unchanged(arguments[name], value))
    given = Given(seen, waits=waits, changed=changed, stub=returned is ...)
    large = isinstance(seen.value, np.ndarray) and seen.value.size > LARGE
    if seen.kind in ("nothing", "other") or large or not (call.twice or call.seed is not None):
        return given
    return _again(given, function, call)


def _again(given: Given, function: Callable, call: Call) -> Given:
    """The second call: is it the same, and which gradients flow?"""
    arguments = {name: to_torch(value) for name, value in call.inputs.items()}
    inner = dict(float_parts(arguments)) if call.seed is not None else {}
    for tensor in inner.values():
        tensor.requires_grad_()
    returned, crash = _run(function, arguments, ())
    if crash is not None:
        return replace(given, gradient_crash=crash)
    given = replace(given, random=not alike(given.returned, read(returned)))
    if not inner:
        return given
    try:
        return replace(given, gradients=gradients(returned, inner, call.seed))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return replace(given, gradient_crash=crash_of(error))


def _run(function: Callable, arguments: Mapping[str, object], helpers: Sequence[str]) -> tuple[object, Crash | None]:
    try:
        return function(*arguments.values()), None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: B902 - sys.exit and the like are answers that crash, not our end
        return None, crash_of(error, helpers)


def gradients(returned: object, inner: Mapping[str, torch.Tensor], seed: int) -> dict[str, np.ndarray | None]:
    """Of the weighed sum of all float tensors in the result, with respect to each of `inner`."""
    results = [tensor for _, tensor in float_parts({"": returned})]
    weights = cotangents(seed, [tuple(tensor.shape) for tensor in results])
    total = sum((tensor * torch.tensor(weight, dtype=tensor.dtype)).sum()
                for tensor, weight in zip(results, weights, strict=True))
    if not isinstance(total, torch.Tensor) or not total.requires_grad:
        return dict.fromkeys(inner)
    found = torch.autograd.grad(total, list(inner.values()), allow_unused=True)
    return {name: None if part is None else part.numpy().copy() for name, part in zip(inner, found, strict=True)}


def cotangents(seed: int, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """How much each number of the result counts: random, so that no sum vanishes by symmetry."""
    rng = np.random.default_rng([seed, 1])
    return [rng.standard_normal(shape) for shape in shapes]
