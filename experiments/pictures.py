"""Which of the results are drawn; the drawing itself is in `figures.curves`."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from experiments.catalogue import GROUPS
from videoformer_edu.figures.curves import accuracy_against, learning_curves

GUESS = 1 / 8
# The groups that ask "how much of it?" and what that is; the others are drawn along training.
AGAINST = {"data": "distinct training clips", "length": "frames", "pretraining": "labelled clips"}


def picture_name(group: str) -> str:
    return f"experiments_{group}.png"


def pictures(results: Mapping[str, dict]) -> dict[str, Figure]:
    """File name -> figure: one for each group that has an accuracy to show."""
    return {picture_name(group): picture(found, group) for group in GROUPS if (found := drawn(results, group))}


def picture(found: list[dict], group: str) -> Figure:
    if group in AGAINST:
        return accuracy_against(series(found, group), AGAINST[group], guess=GUESS)
    return learning_curves({result["title"]: [[(step, right) for step, _, right in run["curve"]]
                                              for run in result["runs"]] for result in found}, guess=GUESS)


def drawn(results: Mapping[str, dict], group: str) -> list[dict]:
    """The results of a group that have an accuracy."""
    return [result for result in results.values() if group in result["groups"] and "accuracy" in result]


def series(found: list[dict], group: str) -> dict[str, list]:
    """What a title says before its comma -> (x, accuracies of its runs)."""
    lines: dict[str, list] = {}
    for result in found:
        name = result["title"].partition(",")[0]
        lines.setdefault(name, []).append((given(result, group), [run["accuracy"] for run in result["runs"]]))
    return lines


def given(result: dict, group: str) -> int:
    """What the accuracy of a result is drawn against."""
    if group == "length":
        return result["material"]["frames"]
    return result["material"]["clips"] or result["recipe"]["steps"] * result["recipe"]["batch"]  # each clip once
