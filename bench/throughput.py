"""How fast training is: clips a second, model FLOP utilisation and memory of the real `Run.step`.

    python bench/throughput.py                                   the defaults of this machine, GPU or not
    python bench/throughput.py --model timesformer_base vivit_base --precision bf16 --compile both --batch largest
    python bench/throughput.py --device cpu --threads 1 2 --compile both

What is timed is a step of `videoformer_edu.training` on clips that lie on the device already: forward, backward,
clipped gradients, AdamW. Reading videos is not in it. The first steps are not timed; then samples of at least
`--seconds` each: median and quartiles. On a CPU all cases take turns, with a matrix product beside every sample
(bench/timing.py), because such machines are seldom quiet; on a GPU one after the other, so that each has all memory.

`--batch largest` halves from `--from-batch` until two eager steps fit. Results go to bench/throughput.csv and
docs/throughput.md, where rows measured again replace the old ones; `--dry` writes nothing.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: it reads this once

import argparse  # noqa: E402
import datetime  # noqa: E402
import gc  # noqa: E402
import platform  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator, Sequence  # noqa: E402
from dataclasses import dataclass, field, replace  # noqa: E402
from itertools import product  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import NamedTuple  # noqa: E402

import torch  # noqa: E402
from report import ROOT, Row  # noqa: E402
from throughput_page import save, table  # noqa: E402
from timing import Way, in_turn, quartiles, shares, speed_up  # noqa: E402
from utilisation import TERA, peak_flops, step_flops, utilisation  # noqa: E402

from videoformer_edu.cost import count_macs  # noqa: E402
from videoformer_edu.cost.memory import CLASSIFIERS, peak_bytes, storage_bytes, tensors_in  # noqa: E402
from videoformer_edu.models.registry import BUILDERS  # noqa: E402
from videoformer_edu.pretrained import build  # noqa: E402
from videoformer_edu.training.distributed import World  # noqa: E402
from videoformer_edu.training.recipe import PRECISIONS, Recipe  # noqa: E402
from videoformer_edu.training.step import Run  # noqa: E402

TINY = ["timesformer_motion", "vivit_motion", "video_swin_motion", "mvit_motion", "c3d_motion", "r2plus1d_motion"]
SWITCH = {"off": (False,), "on": (True,), "both": (False, True)}
MIB = 2**20


@dataclass(frozen=True)
class Case:
    """One way to train one model. `threads` is 0 where a GPU does the work."""

    model: str
    precision: str
    batch: int
    compile: bool = False
    checkpointing: bool = False
    threads: int = 1
    device: str = "cpu"

    @property
    def clip(self) -> tuple[int, ...]:
        return BUILDERS[self.model].clip  # (c, t, h, w)

    def macs(self) -> int:
        """Multiply-adds of the forward pass of one clip."""
        with torch.device("meta"):
            model = build(self.model)
        return count_macs(model, 1, *self.clip)


@dataclass
class Runner:
    """A case that is ready to run; calling it does one step, and `processor` gets its seconds of processor time."""

    case: Case
    processor: list[float] = field(default_factory=list)

    def __post_init__(self):
        case = self.case
        torch.manual_seed(0)
        recipe = Recipe(steps=1_000_000, batch=case.batch, precision=case.precision, compile=case.compile,
                        checkpointing=case.checkpointing)  # so many steps that the rate stays next to nothing
        self.run = Run(build(case.model), recipe, world=World(device=torch.device(case.device)))
        self.examples = (torch.randn(case.batch, *case.clip, device=case.device),
                         torch.zeros(case.batch, dtype=torch.long, device=case.device))

    def __call__(self) -> None:
        torch.set_num_threads(self.case.threads or 1)
        start = time.process_time()
        self.run.step(self.examples)
        self.processor.append(time.process_time() - start)

    def peak(self) -> int | None:
        """The most bytes in use during one step. None for compiled code on a CPU, which nobody counts."""
        if self.case.device == "cuda":
            there = torch.cuda.memory_allocated()
        elif self.case.compile:
            return None
        else:
            state = tensors_in(self.run.optimiser.state_dict())
            there = storage_bytes([*self.run.model.parameters(), *self.run.model.buffers(), *state, *self.examples])
        return there + peak_bytes(self, self.case.device)


# ------------------------------------------------------------------------------------------------------- what fits

OUT_OF_MEMORY = (MemoryError, torch.cuda.OutOfMemoryError)  # in the words of the loop, or of torch


def largest(fits: Callable[[int], bool], start: int) -> int:
    """`start`, halved until it fits; 0 when not even one clip does."""
    while start and not fits(start):
        start //= 2
    return start


def fits(case: Case) -> bool:
    """Two steps, because the first one makes the optimiser's state."""
    try:
        runner = Runner(case)
        runner()
        runner()
    except OUT_OF_MEMORY:
        return False
    return True


def with_largest(case: Case, start: int) -> Case:
    """The case with the largest batch that eager steps can take."""
    def tried(batch: int) -> bool:
        forget()
        fine = fits(replace(case, compile=False, batch=batch))
        print(f"{case.model}, {case.precision}, batch {batch}: {'fits' if fine else 'out of memory'}", flush=True)
        return fine

    batch = largest(tried, start)
    if not batch:
        raise SystemExit(f"{case.model} does not fit into the memory with one clip; try --checkpointing on")
    return replace(case, batch=batch)


def forget() -> None:
    """Give back what the last case held, and what was compiled for its shapes."""
    torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


# ------------------------------------------------------------------------------------------------------- measuring


class Measured(NamedTuple):
    """Of one case: what is written, and the rate of each sample, by which cases are compared."""

    row: Row
    rates: list[float]


def measure(cases: Sequence[Case], *, rounds: int, warm_up: int, seconds: float) -> list[Measured]:
    """Time the cases in turn, `rounds` samples of at least `seconds` each; the first `warm_up` steps do not count.

    Rates are multiply-adds over seconds; on a CPU over those of the matrix product that was timed beside the sample.
    """
    way, runners, peaks = Way(cases[0].device), [Runner(case) for case in cases], []
    for runner in runners:
        for _ in range(warm_up):
            runner()
        peaks.append(runner.peak())
        runner.processor.clear()
    on_cpu, matrices = way.device == "cpu", way.probe()

    def probe() -> object:
        torch.set_num_threads(1)
        return matrices()

    samples = in_turn(runners, probe, rounds=rounds, least=seconds, seconds=wall if on_cpu else way.seconds)
    found = []
    for runner, sample, peak in zip(runners, samples, peaks, strict=True):
        macs = runner.case.macs()
        work = macs * runner.case.batch
        found.append(Measured(
            row(runner.case, macs, [taken for taken, _ in sample], runner.processor, peak, device_name(way.device)),
            shares(sample, work) if on_cpu else [work / taken for taken, _ in sample]))
    return found


def wall(function: Callable[[], object]) -> float:
    """Seconds on the clock: what a learner waits, and what a second thread may shorten."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def device_name(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"CPU {platform.machine()} {torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores"


def row(case: Case, macs: int, seconds: Sequence[float], processor: Sequence[float], peak: int | None,
        device: str) -> Row:
    """What is written about one case: seconds of a step, one for each sample, and processor seconds of each step."""
    times, flops = quartiles(seconds), step_flops(macs, case.batch)
    share = utilisation(flops, times.median, peak_flops(device, case.precision))
    return {
        "device": device, "model": case.model, "precision": case.precision, "batch": str(case.batch),
        "compile": yes(case.compile), "checkpointing": yes(case.checkpointing), "threads": str(case.threads or ""),
        "clip": " x ".join(map(str, case.clip[1:])), "gmac": f"{macs / 1e9:.4g}",
        "ms": f"{1000 * times.median:.1f}", "ms_q1": f"{1000 * times.low:.1f}", "ms_q3": f"{1000 * times.high:.1f}",
        "processor_ms": f"{1000 * quartiles(processor).median:.1f}" if case.threads else "",
        "clips_per_s": f"{case.batch / times.median:.1f}", "tflops": f"{flops / times.median / TERA:.3g}",
        "mfu_percent": "" if share is None else f"{100 * share:.1f}", "speed_up": "",
        "peak_mib": "" if peak is None else f"{peak / MIB:.1f}", "rounds": str(len(seconds)),
        "torch": torch.__version__.split("+")[0], "date": datetime.date.today().isoformat()}


def yes(switch: bool) -> str:
    return "yes" if switch else "no"


def compare(measured: Sequence[Measured]) -> list[Row]:
    """The rows, with the speed-up of each over the first of its model and precision: median of paired ratios."""
    first: dict[tuple[str, str], list[float]] = {}
    for row, rates in measured:
        base = first.setdefault((row["model"], row["precision"]), rates)
        row["speed_up"] = f"{speed_up(rates, base).median:.2f}"
    return [row for row, _ in measured]


# ------------------------------------------------------------------------------------------------------ the command


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--model", nargs="+", choices=CLASSIFIERS, metavar="NAME",
                        help="builders; the base models on a GPU, else those of the lessons")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, help="bf16 on a GPU, else fp32")
    parser.add_argument("--compile", choices=SWITCH, help="both on a GPU, else off")
    parser.add_argument("--checkpointing", choices=SWITCH, default="off", help="off")
    parser.add_argument("--batch", help="clips in a step, or largest: largest on a GPU, else 16")
    parser.add_argument("--from-batch", type=int, default=256, metavar="N", help="where the halving starts: 256")
    parser.add_argument("--threads", nargs="+", type=int, default=[1], help="on a CPU: 1")
    parser.add_argument("--rounds", type=int, default=9, help="samples of each case: 9")
    parser.add_argument("--warm-up", type=int, default=3, help="steps before the first sample: 3")
    parser.add_argument("--seconds", type=float, help="least length of a sample: 1 on a GPU, else 0.1")
    parser.add_argument("--results", type=Path, default=ROOT / "bench/throughput.csv")
    parser.add_argument("--page", type=Path, default=ROOT / "docs/throughput.md")
    parser.add_argument("--dry", action="store_true", help="write no file")
    asked = parser.parse_args(argv)
    gpu = asked.device == "cuda"
    if gpu and not torch.cuda.is_available():
        parser.error("PyTorch finds no GPU here; --device cpu measures the processor")
    asked.model = asked.model or (["timesformer_base", "vivit_base"] if gpu else TINY)
    asked.precision = asked.precision or ["bf16" if gpu else "fp32"]
    asked.compile = asked.compile or ("both" if gpu else "off")
    asked.batch = asked.batch or ("largest" if gpu else "16")
    asked.seconds = asked.seconds or (1.0 if gpu else 0.1)
    if asked.batch == "largest" and not gpu:
        parser.error("--batch largest needs a GPU: a computer that runs out of memory stops other programs, too")
    if asked.batch != "largest" and not (asked.batch.isdigit() and int(asked.batch)):
        parser.error(f"--batch {asked.batch}: expected a number of clips, or largest")
    return asked


def cases(asked: argparse.Namespace) -> Iterator[Case]:
    """All that was asked for; compiled and eager steps take the same batch."""
    for model, precision, checkpointing in product(asked.model, asked.precision, SWITCH[asked.checkpointing]):
        case = Case(model, precision, 0, checkpointing=checkpointing, device=asked.device)
        case = (with_largest(case, asked.from_batch) if asked.batch == "largest" else
                replace(case, batch=int(asked.batch)))
        for compiled, threads in product(SWITCH[asked.compile], asked.threads if asked.device == "cpu" else [0]):
            yield replace(case, compile=compiled, threads=threads)


def main(argv: Sequence[str] | None = None) -> None:
    asked = arguments(argv)
    how = dict(rounds=asked.rounds, warm_up=asked.warm_up, seconds=asked.seconds)
    print(f"torch {torch.__version__}, {device_name(asked.device)}", flush=True)
    measured = []
    if asked.device == "cpu":
        measured = measure(list(cases(asked)), **how)
    else:
        for case in cases(asked):  # one at a time
            forget()
            try:
                measured += measure([case], **how)
            except OUT_OF_MEMORY as error:
                print(f"{case}: {error}", flush=True)
                continue
            print(*table([measured[-1].row]), sep="\n", flush=True)
            if not asked.dry:
                save(compare(measured), asked.results, asked.page)
    rows = compare(measured)
    print(*table(rows), sep="\n")
    if asked.device == "cuda" and not all(row["mfu_percent"] for row in rows):
        print("Where MFU is missing no peak rate is known (bench/utilisation.py): TFLOP/s only.")
    if not asked.dry:
        save(rows, asked.results, asked.page)


if __name__ == "__main__":
    main()
