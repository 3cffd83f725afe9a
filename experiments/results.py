"""From finished runs to files: the shipped weights, `RESULTS.json`, the page that says the same, and its pictures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from experiments.experiment import Experiment
from experiments.pictures import pictures
from experiments.store import Store, save_weights
from experiments.table import markdown

JSON, PAGE, PICTURES = "RESULTS.json", "experiments.md", "pictures"
ONCE = ("parameters", "macs", "clock", "probes", "attention")  # of the first run alone


def gather(experiments: Iterable[Experiment], store: Store, known: Mapping[str, dict] | None = None) -> dict[str, dict]:
    """What is known of every experiment, by name: from its finished runs, or else what was `known` before them.

    The words about an experiment (title, groups, note) are always the catalogue's.
    """
    results = {}
    for experiment in experiments:
        rows = [row for seed in experiment.seeds if (row := store.row(experiment, seed)) is not None]
        if rows:
            results[experiment.name] = summary(experiment, rows)
        elif known and experiment.name in known:
            results[experiment.name] = {**known[experiment.name], **words(experiment)}
    return results


def unpublishable(experiments: Iterable[Experiment], results: Mapping[str, dict]) -> list[str]:
    """A sentence for each experiment whose result is absent, incomplete or was made with other settings."""
    problems = []
    for experiment in experiments:
        result = results.get(experiment.name)
        if result is None:
            problems.append(f"{experiment.name} has no finished run; run it first: --only {experiment.name}")
            continue
        seeds = [run["seed"] for run in result["runs"]]
        if seeds != list(experiment.seeds):
            problems.append(f"{experiment.name} is finished for the seeds {seeds}, but the catalogue asks for "
                            f"{list(experiment.seeds)}; run the others first: --only {experiment.name}")
        settings = plain({**experiment.settings(), "start": experiment.start and experiment.start.name})
        if other := [key for key, value in settings.items() if plain(result.get(key)) != value]:
            problems.append(f"{experiment.name} was made with another {', '.join(other)}; run it again: "
                            f"--only {experiment.name}")
    return problems


def plain(value):
    """As it comes back from JSON: tuples are lists."""
    return json.loads(json.dumps(value))


def words(experiment: Experiment) -> dict:
    """What a result says about an experiment and no number depends on."""
    return {"title": experiment.title, "groups": list(experiment.groups), "ships": experiment.ships,
            "note": experiment.note}


def summary(experiment: Experiment, rows: list[dict]) -> dict:
    """One experiment: its settings, the numbers of its first run, and all runs.

    "over_seeds" has [mean, lowest, highest] of what was measured in every run.
    """
    settings = experiment.settings()
    spread = {key: [round(sum(values) / len(values), 4), min(values), max(values)]
              for key in ("accuracy", "axis", "sign", "painting_loss", "seconds")
              if (values := [row[key] for row in rows if key in row])}
    own = {key: value for key, value in rows[0].items() if key not in ("curve", "seconds", "steps_to")}
    return {
        **words(experiment), "task": experiment.material.task, **settings,
        "start": experiment.start and experiment.start.name, **own, "over_seeds": spread,
        "runs": [{key: value for key, value in row.items() if key not in ONCE} for row in rows],
    }


def write(results: Mapping[str, dict], experiments: Iterable[Experiment], store: Store, weights: Path,
          docs: Path) -> list[Path]:
    """Write everything; `weights` gets the shipped models and the numbers, `docs` the page and its pictures."""
    written = []
    for experiment in experiments:
        if experiment.ships and experiment.name in results and store.row(experiment, experiment.seeds[0]) is not None:
            written.append(ship(experiment, results[experiment.name], store, weights))
    weights.mkdir(parents=True, exist_ok=True)
    (weights / JSON).write_text(compact_json(results) + "\n", encoding="utf-8")
    (docs / PICTURES).mkdir(parents=True, exist_ok=True)
    for name, figure in pictures(results).items():
        written.append(docs / PICTURES / name)
        figure.savefig(written[-1])
    (docs / PAGE).write_text(markdown(results), encoding="utf-8")
    return [*written, weights / JSON, docs / PAGE]


def ship(experiment: Experiment, result: dict, store: Store, folder: Path) -> Path:
    """The weights of the first seed, with all that it takes to build the model and to know how it was made."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{experiment.name}.safetensors"
    keys = ("model", "changes", "task", "recipe", "seed", "validation", "accuracy", "painting_loss")
    about = {"name": experiment.name, **{key: result[key] for key in keys if key in result}}
    save_weights(store.weights(experiment, experiment.seeds[0]), path, about)
    return path


def compact_json(value, indent: int = 0) -> str:
    """JSON with one entry a line, where short values stay on their line."""
    flat = json.dumps(value)
    if len(flat) + indent <= 110 or not isinstance(value, dict | list):
        return flat
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {compact_json(item, indent + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(pad + part for part in parts) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + compact_json(item, indent + 1) for item in value) + "\n" + " " * indent + "]"
