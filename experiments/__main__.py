"""`python -m experiments`: train what the lessons speak of, and measure it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import torch

from experiments.catalogue import EXPERIMENTS, GROUPS
from experiments.experiment import Experiment, changed
from experiments.results import gather, unpublishable, write
from experiments.store import Store
from experiments.work import generations, work
from videoformer_edu.pretrained.small import small_results

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "videoformer_edu" / "pretrained" / "weights"
OUT = ROOT / "experiments" / "out"  # not under build/, which `make clean` removes


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
    parser.add_argument("--device", default="cpu", help="where to train (default: cpu, as the results of the course)")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw clips ahead (default: 0)")
    parser.add_argument("--out", type=Path, default=OUT, help="where runs and results go (default: experiments/out)")
    parser.add_argument("--publish", action="store_true",
                        help="write weights and results into this checkout, where the lessons read them; results of "
                             "experiments without a new run stay as they are")
    options = parser.parse_args(argv)
    for name, least in (("steps", 1), ("jobs", 1), ("workers", 0)):
        value = getattr(options, name)
        if value is not None and value < least:
            parser.error(f"--{name} is {value}; expected at least {least}")
    if options.publish and (options.steps or options.seeds):
        parser.error("--publish writes the results of the course, so it goes without --steps and --seeds")
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error(f"--device is {options.device}, but PyTorch sees no GPU here; try --device cpu")
    return options


def chosen(experiments: Iterable[Experiment], options: argparse.Namespace) -> list[Experiment]:
    names, groups = options.only or (), options.group or ()
    return [experiment for experiment in experiments
            if not (names or groups) or experiment.name in names or set(experiment.groups) & set(groups)]


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    experiments = [changed(experiment, steps=options.steps, seeds=options.seeds)
                   for experiment in EXPERIMENTS.values()]
    picked, runs = chosen(experiments, options), options.out / "runs"
    store = Store(runs)
    if options.list:
        for experiment, seed in (task for tasks in generations(picked) for task in tasks):
            state = "finished" if store.row(experiment, seed) is not None else "missing"
            print(f"{state:<9}{experiment.name}  seed {seed}  ({', '.join(experiment.groups)})")
        return 0
    failed = [] if options.table else work(picked, runs, jobs=options.jobs, device=options.device,
                                           workers=options.workers)
    results = gather(experiments, store, known=small_results() if options.publish else {})
    if options.publish and (problems := unpublishable(experiments, results)):
        print("nothing was published:\n" + "\n".join(problems), flush=True)
        return 1
    weights, docs = (WEIGHTS, ROOT / "docs") if options.publish else (options.out / "weights", options.out / "docs")
    for path in write(results, experiments, store, weights, docs):
        print(f"wrote {path}", flush=True)
    finished = [store.row(e, seed) is not None for e in experiments for seed in e.seeds]
    print(f"{sum(finished)} runs are finished, {len(finished) - sum(finished)} are missing"
          + (f"; failed: {'; '.join(failed)}" if failed else ""), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
