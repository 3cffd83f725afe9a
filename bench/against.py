"""This checkout beside another one: has anything become slower?

    git worktree add ../before HEAD~1
    make bench ARGS="--against ../before --bound 0.97"       Swin, MViT, TimeSformer and ViViT, at both sizes
    python bench/against.py ../before --size small           what the same command calls; needs torch alone

Each checkout runs in a process of its own, on one thread, with the same weights and the same clips. The two take turns,
sample by sample, and while one works the other waits, so what slows the machine down slows both. Where a process
happens to lie in memory is worth some per cent, so several pairs of fresh processes share the rounds; and a third, for
small models, where each buffer is asked of the system anew, so freed memory is kept.

First the logits are compared: where they differ by more than rounding, nothing is timed. Then, for each model, size and
mode, the median and quartiles of the paired ratios of processor time, old over new: above 1, this checkout is faster.
With `--bound` the exit code is 1 if a median lies below it. A training step is forward, backward and AdamW at rate 0,
in training mode.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
MODES = ("forward", "training step")
TOLERANCE = 1e-4  # of the largest logit
LEAST = 0.3  # seconds of a sample, at least


class Case(NamedTuple):
    """A builder of `videoformer_edu.models`, its options, and the clips `(b, c, t, h, w)` it is timed on."""

    builder: str
    options: dict
    clips: tuple[int, ...]


BUILDERS = {"small": {"video_swin_motion": {}, "mvit_motion": {}, "timesformer_motion": {}, "vivit_motion": {}},
            "base": {"video_swin_tiny": {}, "mvit_v2_s": {"frames": 8}, "timesformer_base": {},
                     "vivit_base": {"frames": 8}}}
CLIPS = {"small": (16, 3, 8, 32, 32), "base": (1, 3, 8, 224, 224)}
CASES = {size: [Case(name, options, CLIPS[size]) for name, options in builders.items()]
         for size, builders in BUILDERS.items()}
ROUNDS = {"small": 6, "base": 2}  # pairs of samples in each of ...
STARTS = 3  # ... so many pairs of processes
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**40)}  # glibc: keep what was freed


class Measured(NamedTuple):
    case: Case
    mode: str
    old: float  # seconds, the median
    new: float
    ratios: tuple[float, float, float]  # old / new: lower quartile, median, upper quartile


# ------------------------------------------------------------------------------------------------ in the checkout


def serve() -> None:
    """Answer the requests on standard input, one JSON object a line; runs in the process of one checkout."""
    import torch
    from timing import Way, repeated

    from videoformer_edu import models

    torch.set_num_threads(1)
    way = Way()

    def prepared(case: Case):
        model = getattr(models, case.builder)(**case.options)
        torch.manual_seed(0)  # after the checkouts drew weights of their own, each in its way
        with torch.no_grad():
            for _, p in sorted(model.named_parameters()):
                p.copy_(torch.randn(p.shape) * 0.02 + (p.ndim == 1))
        return model, torch.randn(case.clips)

    def training_step(model, clips):
        optimiser = torch.optim.AdamW(model.parameters(), lr=0.0)

        def run() -> None:
            optimiser.zero_grad()
            model(clips).square().mean().backward()
            optimiser.step()
        return run

    def forward(model, clips):
        def run():
            with torch.inference_mode():
                return model(clips)
        return run

    function = model = clips = None
    for line in sys.stdin:
        request = json.loads(line)
        if "case" in request:
            function = model = clips = None  # room for the next one
            model, clips = prepared(Case(*request["case"]))
            answer = {"file": models.__file__, "logits": forward(model.eval(), clips)().flatten().tolist()}
        elif "mode" in request:
            training = request["mode"] == "training step"
            function = training_step(model.train(), clips) if training else forward(model.eval(), clips)
            function()  # the first call makes what is kept
            answer = {"seconds": way.seconds(function)}
        else:
            answer = {"seconds": way.seconds(repeated(function, request["calls"])) / request["calls"]}
        print(json.dumps(answer), flush=True)


class Checkout:
    """A process that imports the package of one checkout and nothing of another."""

    def __init__(self, folder: Path):
        self.folder = folder.resolve()
        if not (self.folder / "videoformer_edu").is_dir():
            raise SystemExit(f"{folder} holds no videoformer_edu; give the folder of a checkout (git worktree add)")
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1", **MEMORY}
        self.process = subprocess.Popen([sys.executable, Path(__file__).resolve(), "--serve"], cwd=self.folder,
                                        env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, **request) -> dict:
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.folder} failed at {request}; its message stands above")
        return json.loads(answer)

    def prepare(self, case: Case) -> list[float]:
        """Build the model; -> its logits."""
        answer = self.ask(case=case)
        if not Path(answer["file"]).is_relative_to(self.folder):
            raise SystemExit(f"{self.folder} imports {answer['file']}: that is not its own package")
        return answer["logits"]

    def __enter__(self) -> Checkout:
        return self

    def __exit__(self, *error) -> None:
        with self.process:  # closes its pipes, which ends it, and waits
            pass


# ----------------------------------------------------------------------------------------------------- side by side


def compare(old: Path, new: Path, cases: Sequence[Case], rounds: int) -> Iterator[Measured]:
    """One row for each case and mode. SystemExit where the two checkouts compute different things."""
    from timing import quartiles

    for case in cases:
        pairs: dict[str, list[tuple[float, float]]] = {mode: [] for mode in MODES}
        for _ in range(STARTS):
            with Checkout(old) as before, Checkout(new) as after:
                check_equal(case, *(checkout.prepare(case) for checkout in (before, after)))
                for mode in MODES:
                    pairs[mode] += sampled(before, after, mode, rounds)
        for mode in MODES:
            medians = (quartiles(side).median for side in zip(*pairs[mode], strict=True))
            yield Measured(case, mode, *medians, tuple(quartiles([a / b for a, b in pairs[mode]])))


def sampled(before: Checkout, after: Checkout, mode: str, rounds: int) -> list[tuple[float, float]]:
    """Seconds of one call in either checkout, one pair a round; every other round the new one begins."""
    slowest = max(checkout.ask(mode=mode)["seconds"] for checkout in (before, after))
    calls, pairs = max(1, round(LEAST / max(slowest, 1e-9))), []
    for turn in range(rounds):
        order = (before, after) if turn % 2 == 0 else (after, before)
        taken = [checkout.ask(calls=calls)["seconds"] for checkout in order]
        pairs.append(tuple(taken if turn % 2 == 0 else reversed(taken)))
    return pairs


def check_equal(case: Case, old: list[float], new: list[float]) -> None:
    if len(old) != len(new):
        raise SystemExit(f"{case.builder}: {len(old)} logits before, {len(new)} now: nothing to compare")
    difference = max(abs(a - b) for a, b in zip(old, new, strict=True)) / max(map(abs, old))
    if not difference < TOLERANCE:
        raise SystemExit(f"{case.builder}: with the same weights the logits differ by {difference:.1e} of the largest; "
                         "the two checkouts compute different things (or call their parameters by other names)")


def run(old: Path, sizes: Sequence[str], rounds: int | None = None, bound: float | None = None) -> int:
    """Print a line for each model, size and mode; -> 1 if a median ratio lies below the bound, else 0."""
    print(f"{'model':20}{'size':7}{'mode':15}{'old ms':>10}{'new ms':>10}{'old / new':>11}   quartiles", flush=True)
    below = []
    for size in sizes:
        for row in compare(old, ROOT, CASES[size], rounds or ROUNDS[size]):
            low, median, high = row.ratios
            print(f"{row.case.builder:20}{size:7}{row.mode:15}{1000 * row.old:>10.2f}{1000 * row.new:>10.2f}"
                  f"{median:>11.3f}   {low:.3f} - {high:.3f}", flush=True)
            if bound is not None and median < bound:
                below.append(f"{row.case.builder} {row.mode}: {median:.3f}")
    if below:
        print(f"slower than the bound {bound} allows: {'; '.join(below)}")
    return int(bool(below))


def main() -> int:
    if sys.argv[1:] == ["--serve"]:
        serve()
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="the folder of the other checkout, e.g. the commit before")
    parser.add_argument("--size", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, help=f"pairs of samples in each of {STARTS} starts, {ROUNDS}")
    parser.add_argument("--bound", type=float, help="exit with 1 if a median ratio lies below it, e.g. 0.97")
    asked = parser.parse_args()
    return run(asked.checkout, asked.size, asked.rounds, asked.bound)


if __name__ == "__main__":
    sys.exit(main())
