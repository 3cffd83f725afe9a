"""`python -m experiments`: train what the lessons speak of, and measure it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import torch

from experiments.catalogue import EXPERIMENTS, GROUPS
from experiments.experiment import Experiment, changed
from experiments.results import gather, write
from experiments.sizes import enlarge
from experiments.store import Store
from experiments.work import generations, work

ROOT = Path(__file__).parents[1]


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments", description=(
        "Train the models behind the lessons from fixed seeds, and write weights, one page of results and learning "
        "curves. Every finished run is kept at once: a command that was stopped goes on with what is missing."))
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, metavar="NAME", help="these experiments alone")
    parser.add_argument("--group", nargs="+", choices=GROUPS, metavar="GROUP",
                        help=f"these groups alone: {', '.join(GROUPS)}")
    parser.add_argument("--list", action="store_true", help="say which runs there are and which are finished, and stop")
    parser.add_argument("--table", action="store_true", help="train nothing: only write what finished runs have given")
    parser.add_argument("--seeds", nargs="+", type=int, help="instead of the seeds of the catalogue")
    parser.add_argument("--steps", type=int, help="instead of the steps of the catalogue, for a short look")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each with one thread (default: 1)")
    parser.add_argument("--size", choices=("small", "large"), default="small",
                        help="large: 16 frames of 64 pixels, models of width 192, for a GPU (default: small)")
    parser.add_argument("--device", help="default: cpu for small; for large, cuda where there is one")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw clips ahead (default: 0)")
    parser.add_argument("--out", type=Path, help="where runs and results go (default: build/experiments, or "
                                                 "build/experiments_large)")
    parser.add_argument("--publish", action="store_true",
                        help="write the weights and results into this checkout, where the lessons read them")
    options = parser.parse_args(argv)
    for name, least in (("steps", 1), ("jobs", 1), ("workers", 0)):
        value = getattr(options, name)
        if value is not None and value < least:
            parser.error(f"--{name} is {value}; expected at least {least}")
    if options.publish and (options.steps or options.seeds or options.size == "large"):
        parser.error("--publish writes the results of the course, so it goes without --steps, --seeds and --size large")
    if options.device is None:
        options.device = "cuda" if options.size == "large" and torch.cuda.is_available() else "cpu"
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error(f"--device is {options.device}, but PyTorch sees no GPU here; try --device cpu")
    if options.out is None:
        options.out = Path("build/experiments_large" if options.size == "large" else "build/experiments")
    return options


def adapted(experiment: Experiment, options: argparse.Namespace) -> Experiment:
    """The experiment of the catalogue as the command line wants it."""
    if options.size == "large":
        experiment = enlarge(experiment, "bf16" if options.device.startswith("cuda") else "fp32")
    return changed(experiment, steps=options.steps, seeds=options.seeds)


def chosen(experiments: Iterable[Experiment], options: argparse.Namespace) -> list[Experiment]:
    names, groups = options.only or (), options.group or ()
    return [experiment for experiment in experiments
            if not (names or groups) or experiment.name in names or set(experiment.groups) & set(groups)]


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    experiments = [adapted(experiment, options) for experiment in EXPERIMENTS.values()]
    picked, runs = chosen(experiments, options), options.out / "runs"
    store = Store(runs)
    if options.list:
        for experiment, seed in (task for tasks in generations(picked) for task in tasks):
            state = "finished" if store.row(experiment, seed) is not None else "missing"
            print(f"{state:<9}{experiment.name}  seed {seed}  ({', '.join(experiment.groups)})")
        return 0
    failed = [] if options.table else work(picked, runs, jobs=options.jobs, device=options.device,
                                           workers=options.workers)
    results = gather(experiments, store)
    weights = ROOT / "videoformer_edu" / "pretrained" / "weights" if options.publish else options.out / "weights"
    docs = ROOT / "docs" if options.publish else options.out / "docs"
    for path in write(results, experiments, store, weights, docs):
        print(f"wrote {path}", flush=True)
    missing = [f"{e.name} seed {seed}" for e in experiments for seed in e.seeds if store.row(e, seed) is None]
    print(f"{sum(len(result['runs']) for result in results.values())} runs are finished, {len(missing)} are missing"
          + (f"; failed: {'; '.join(failed)}" if failed else ""), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
