"""How a comparison is timed on a machine that is never quiet.

Each sample is one thread's processor time (on a GPU: the time between two events), the models take turns, and a matrix
product is timed before and after every sample. A sample is worth its *share*: the time that its multiply-adds would
take as one large matrix product, over the time they took. What slows the machine down slows the probe beside it, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

PROBE = (1569, 768, 3072)  # the first linear map of an MLP in TimeSformer-B: 8 x 196 patches and CLS, d -> 4 d
PROBE_MACS = 1569 * 768 * 3072
MODES = ("forward", "forward+backward")


class Quartiles(NamedTuple):
    low: float
    median: float
    high: float


def quartiles(values: Sequence[float]) -> Quartiles:
    at = torch.tensor([0.25, 0.5, 0.75], dtype=torch.double)
    return Quartiles(*torch.tensor(values, dtype=torch.double).quantile(at).tolist())


def geometric_mean(values: Sequence[float]) -> float:
    return torch.tensor(values, dtype=torch.double).log().mean().exp().item()


@dataclass(frozen=True)
class Way:
    """Where and how the numbers are computed."""

    device: str = "cpu"
    dtype: str = "fp32"
    compile: bool = False

    def autocast(self) -> AbstractContextManager:
        return torch.autocast(self.device, torch.bfloat16) if self.dtype == "bf16" else nullcontext()

    def seconds(self, function: Callable[[], object]) -> float:
        """One call of `function`, in seconds."""
        if self.device == "cpu":
            start = time.process_time()
            function()
            return time.process_time() - start
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / 1000

    def probe(self) -> Callable[[], object]:
        """The matrix product that everything is measured against, in the same precision."""
        dtype = torch.bfloat16 if self.dtype == "bf16" else torch.float32
        rows, inner, columns = PROBE
        a, b = (torch.randn(shape, device=self.device, dtype=dtype) for shape in ((rows, inner), (inner, columns)))
        return lambda: a @ b


def step(model: nn.Module, clip: Tensor, logits: Callable, mode: str, way: Way) -> Callable[[], None]:
    """What is timed: a forward pass in inference mode, or a forward and a backward pass down to all parameters."""
    if mode == "forward":
        def run() -> None:
            with torch.inference_mode(), way.autocast():
                logits(model(clip))
    elif mode == "forward+backward":
        def run() -> None:
            for p in model.parameters():
                p.grad = None
            with way.autocast():
                out = logits(model(clip))
            out.float().square().mean().backward()
    else:
        raise ValueError(f"mode must be one of {', '.join(MODES)}; got {mode!r}")
    return run


def repeated(function: Callable[[], None], calls: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(calls):
            function()
    return run


def in_turn(functions: Sequence[Callable[[], None]], probe: Callable[[], object], *, rounds: int, least: float = 0.1,
            seconds: Callable[[Callable], float]) -> list[list[tuple[float, float]]]:
    """Time the functions in turn, a probe before and after each; every other round runs backwards.

    Short functions are called so often in a row that a sample takes `least` seconds.
    -> for each function, for each round: (seconds of one call, seconds of the probe beside it).
    """
    seconds(probe)
    calls = []
    for function in functions:
        taken = seconds(function)  # the first call makes what is kept
        calls.append(1 if taken > 20 * least else max(1, round(least / max(seconds(function), 1e-9))))
    samples: list[list[tuple[float, float]]] = [[] for _ in functions]
    before = seconds(probe)
    for turn in range(rounds):
        order = range(len(functions))
        for i in order if turn % 2 == 0 else reversed(order):
            taken = seconds(repeated(functions[i], calls[i])) / calls[i]
            after = seconds(probe)
            samples[i].append((taken, (before + after) / 2))
            before = after
    return samples


def shares(samples: Sequence[tuple[float, float]], macs: int) -> list[float]:
    """How much of the matrix product's rate each sample reached, 1 = all of it."""
    return [macs / taken * probe / PROBE_MACS for taken, probe in samples]


def speed_up(ours: Sequence[float], peer: Sequence[float]) -> Quartiles:
    """Paired ratios of the shares of the same round; above 1 = ours is faster.

    With equal multiply-adds this is the peer's time over ours, each corrected by its probe; with unequal ones it is the
    ratio of the times per multiply-add.
    """
    return quartiles([a / b for a, b in zip(ours, peer, strict=True)])
