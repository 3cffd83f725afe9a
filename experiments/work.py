"""Many runs: what is missing is trained, in one process or several, and every finished run is kept at once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch

from experiments.experiment import Experiment
from experiments.run import train
from experiments.store import Store

Task = tuple[Experiment, int]


def generations(experiments: Sequence[Experiment]) -> Iterator[list[Task]]:
    """The runs in the order in which they can be made: each list needs only what lists before it have left.

    An experiment that another one starts from is among them even if it was not asked for: its first seed.
    """
    tasks: dict[tuple[str, int], tuple[int, Experiment, int]] = {}

    def add(experiment: Experiment, seeds: Sequence[int]) -> int:
        after = 0 if experiment.start is None else 1 + add(experiment.start, experiment.start.seeds[:1])
        for seed in seeds:
            tasks[experiment.name, seed] = (after, experiment, seed)
        return after

    for experiment in experiments:
        add(experiment, experiment.seeds)
    for generation in sorted({after for after, _, _ in tasks.values()}):
        yield [(experiment, seed) for after, experiment, seed in tasks.values() if after == generation]


def work(experiments: Sequence[Experiment], folder: Path, *, jobs: int = 1, device: str = "cpu",
         workers: int = 0) -> list[str]:
    """Make the runs that `folder` does not have yet; -> a line for each that failed. The others go on meanwhile."""
    store, failed = Store(folder), []
    for tasks in generations(experiments):
        missing = [task for task in tasks if store.row(*task) is None]
        if done := len(tasks) - len(missing):
            print(f"{done} of {len(tasks)} runs are finished already", flush=True)
        for (experiment, seed), error in results(missing, folder, jobs, device, workers):
            if error is not None:
                failed.append(f"{experiment.name} seed {seed}: {type(error).__name__}: {error}")
                print(f"failed: {failed[-1]}", flush=True)
    return failed


def results(tasks: list[Task], folder: Path, jobs: int, device: str,
            workers: int) -> Iterator[tuple[Task, Exception | None]]:
    """Each task as it is finished, with the error that ended it, if one did."""
    if jobs == 1:
        one_thread()
        for task in tasks:
            try:
                one_run(*task, folder, device, workers)
            except Exception as error:
                yield task, error
            else:
                yield task, None
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=one_thread) as pool:
        futures = {pool.submit(one_run, *task, folder, device, workers): task for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.exception()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # what is running finishes its run, nothing new begins
            raise


def one_thread() -> None:
    """Another number of threads adds in another order, and the last digits differ."""
    torch.set_num_threads(1)


def one_run(experiment: Experiment, seed: int, folder: Path, device: str, workers: int) -> None:
    """Train, measure, keep. A run that starts from another one finds its weights in the same folder."""
    store, start = Store(folder), experiment.start
    state = None if start is None else store.weights(start, start.seeds[0])
    model, row = train(experiment, seed, state, device=device, workers=workers,
                       log=lambda line: print(line, flush=True))
    store.keep(experiment, seed, model, row)
