"""`python -m videoformer_edu.experiments`: train the small models of the lessons and measure them."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from videoformer_edu.experiments.catalogue import EXPERIMENTS
from videoformer_edu.experiments.results import save_weights, update_results
from videoformer_edu.experiments.run import measure, train


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m videoformer_edu.experiments", description=(
        "Train the small models of the lessons from fixed seeds, on one thread, and write their weights and results."))
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, metavar="NAME", default=list(EXPERIMENTS),
                        help=f"which experiments to run: {', '.join(EXPERIMENTS)} (default: all)")
    parser.add_argument("--seeds", nargs="+", type=int, help="instead of the seeds of the catalogue")
    parser.add_argument("--steps", type=int, help="instead of the steps of the catalogue, for a short look")
    parser.add_argument("--out", type=Path, default=Path("small_weights"),
                        help="folder for the weights and RESULTS (default: %(default)s); the lessons read "
                             "videoformer_edu/pretrained/weights")
    options = parser.parse_args(argv)
    if options.steps is not None and options.steps < 1:
        parser.error(f"--steps is {options.steps}; expected at least 1")
    return options


def main(argv: list[str] | None = None) -> None:
    options = arguments(argv)
    torch.set_num_threads(1)  # another number of threads adds in another order, and the last digits differ
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        experiment = EXPERIMENTS[name]
        if options.seeds is not None:
            experiment = replace(experiment, seeds=tuple(options.seeds))
        if options.steps is not None:
            experiment = replace(experiment, recipe=replace(experiment.recipe, steps=options.steps))
        runs = [train(experiment, seed, log=lambda line: print(line, flush=True)) for seed in experiment.seeds]
        model, result = measure(experiment, runs)
        if experiment.ships:
            save_weights(model, name, result, options.out)
        update_results({name: result}, tuple(EXPERIMENTS), options.out)
        print(f"{name}: {result['accuracy']:.1%} on the test set (seed {result['seed']}) -> {options.out}",
              flush=True)


if __name__ == "__main__":
    main()
