"""What is really wrong: many more sizes than a check has time for, against loops in float64 and full gradients.

`fault(exercise, functions)` returns the first fault of an answer, or None where it agrees on every legitimate input.
The cases and oracles of a sheet are in `truth_NN`: `ORACLES` in NumPy for values, `REFERENCE` in torch for gradients
(held against the oracles), `EXACT` for what is
judged without tolerance: given the arguments, it returns what judges a result.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import sys
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch


def _copy(args: tuple, dtype=None, grad=False) -> tuple:
    def one(x):
        if not isinstance(x, torch.Tensor):
            return x
        same_strides = torch.empty_strided(x.shape, x.stride(), dtype=dtype or x.dtype)
        return same_strides.copy_(x.detach()).requires_grad_(grad)

    return tuple({k: one(v) for k, v in a.items()} if isinstance(a, dict) else one(a) for a in args)


def _tensors(args: tuple) -> dict[str, torch.Tensor]:
    out = {}
    for i, a in enumerate(args):
        out |= a if isinstance(a, dict) else {str(i): a} if isinstance(a, torch.Tensor) else {}
    return out


def _arrays(args: tuple) -> tuple:
    return tuple(
        {k: v.double().numpy() for k, v in a.items()}
        if isinstance(a, dict)
        else a.double().numpy()
        if isinstance(a, torch.Tensor)
        else a
        for a in args
    )


@functools.cache
def prepared(exercise: str, seed: int) -> list[tuple]:
    """(function, arguments, expected values, expected gradients) of all cases, worked out once."""
    truth, out = importlib.import_module(f"tests.sheets.adversary.truth_{exercise[:2]}"), []
    for function, args in truth.cases(exercise, seed):
        if function in truth.EXACT:
            out.append((function, args, truth.EXACT[function](function, args), None))
            continue
        want = torch.from_numpy(np.ascontiguousarray(truth.ORACLES[function](*_arrays(args))))
        theirs = _copy(args, torch.float64, grad=True)
        reference = truth.REFERENCE[function](*theirs)
        if not torch.allclose(reference, want, atol=1e-9):
            raise AssertionError(f"the two oracles of {function} disagree")
        sources = list(_tensors(theirs).values())
        out.append(
            (function, args, want, torch.autograd.grad((reference * _toward(want)).sum(), sources, allow_unused=True))
        )
    return out


def _toward(want: torch.Tensor) -> torch.Tensor:
    return torch.randn(want.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def _one(function: str, answer: Callable, args: tuple, want: torch.Tensor | Callable, wants: tuple) -> str | None:
    given = _copy(args)
    got = answer(*given)
    for key, before in _tensors(args).items():
        after = _tensors(given).get(key)
        if after is None or after.shape != before.shape or bool((after != before).any()):
            return f"{function}: changed {key}"
    if len(_tensors(given)) != len(_tensors(args)):
        return f"{function}: added to the weights"
    if callable(want):
        return want(got)
    if type(got) is not torch.Tensor:
        return f"{function}: a {type(got).__name__}"
    if got.shape != want.shape or got.dtype != torch.float32 or got.layout != torch.strided or got.device.type != "cpu":
        return f"{function}: {tuple(got.shape)} {got.dtype} {got.layout} for {tuple(want.shape)}"
    worst = float((got.detach().double() - want).abs().max() / max(1.0, float(want.abs().max())))
    if not worst < 5e-5:
        return f"{function}: off by {worst:.1e}"
    mine = _copy(args, grad=True)
    out = answer(*mine)
    if not out.requires_grad:
        return f"{function}: no gradient"
    sources = _tensors(mine)
    gots = torch.autograd.grad((out.double() * _toward(want)).sum(), list(sources.values()), allow_unused=True)
    for key, g, w in zip(sources, gots, wants, strict=True):
        g, w = (torch.zeros(1) if y is None else y.double() for y in (g, w))
        off = float((g - w).abs().max() / max(1.0, float(w.abs().max())))
        if not off < 2e-3:
            return f"{function}: gradient of {key} off by {off:.1e}"
    return None


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """Whatever an answer does to the process is undone: streams, torch's switches and functions, limits."""
    held = {name: getattr(torch, name) for name in ("allclose", "equal", "isclose")}
    state, dtype, gradients = torch.get_rng_state(), torch.get_default_dtype(), torch.is_grad_enabled()
    limit, trace, streams = sys.getrecursionlimit(), sys.gettrace(), (sys.stdout, sys.stderr)
    silence = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    try:
        with warnings.catch_warnings(), silence[0], silence[1]:
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.setrecursionlimit(limit)
        sys.settrace(trace)
        sys.stdout, sys.stderr = streams
        for name, function in held.items():
            setattr(torch, name, function)
        torch.set_rng_state(state)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)


def fault(exercise: str, functions: dict[str, Callable], seed: int = 0) -> str | None:
    """The first fault of an answer, in a few words; None if it is right on all cases."""
    for function, args, want, wants in prepared(exercise, seed):
        try:
            reason = _one(function, functions[function], args, want, wants)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # an answer may raise anything
            return f"{function}: raises {type(error).__name__}"
        if reason:
            return reason
    return None
