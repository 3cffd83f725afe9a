"""`RESULTS.md`: the numbers of `RESULTS.json` for a reader."""

from __future__ import annotations

HEAD = """# The small trained models

Made by `python -m videoformer_edu.experiments --out videoformer_edu/pretrained/weights`, on one thread.

Accuracy in per cent, on 1024 pictures or clips whose digits and photographs were never trained on (binomial standard
deviation at 50 %: 1.6 points). Settings were chosen on other examples. The first seed is the one that is shipped, the
others show the spread. A clip's direction has an axis (a set of frames can tell it) and a sign (only their order can):
a guess gets 12.5, axis 25, sign 50. Multiply-adds are for one clip or picture; seconds are processor time of training.

| model | parameters | multiply-adds | steps x batch | seed | accuracy | axis | sign | seconds |
|---|---|---|---|---|---|---|---|---|
"""

PROBES = """
## Other orders of the frames

In per cent: clips played backwards that are called the opposite direction; accuracy when frame 4 stands still for the
whole clip (a guess gets 12.5); accuracy, and right axes, when the frames come in the fixed order 4 0 7 3 2 5 1 6.

| model | backwards: opposite | frozen | shuffled | shuffled: axis |
|---|---|---|---|---|
"""

ATTENTION = """
## Where CLS looks

On 256 test examples. Mass: the share of its attention to patches that falls on the digit's square, for each head and
for their mean, and what attention spread evenly would give. Peak: how often the patch of a frame that it looks at most
(mean of the heads) is more than half covered by the square, and how often a random patch is.

| model | attention | mass, each head | mean | evenly | peak | random |
|---|---|---|---|---|---|---|
"""


def markdown(results: dict[str, dict]) -> str:
    """The whole page."""
    text = HEAD + "".join(row(*run_cells(name, result, run)) for name, result in results.items()
                          for run in result["runs"])
    notes = [f"- `{name}`: {result['note']}\n" for name, result in results.items() if result["note"]]
    text += "\n" + "".join(notes) if notes else ""
    text += PROBES + "".join(
        row(name, *(per_cent(result["probes"][key]) for key in
                    ("reversed_is_opposite", "frozen_accuracy", "shuffled_accuracy", "shuffled_axis")))
        for name, result in results.items() if "probes" in result)
    return text + ATTENTION + "".join(
        row(name, module, " ".join(f"{x:.2f}" for x in facts["mass"]),
            *(f"{facts[key]:.2f}" for key in ("mean_of_heads", "chance", "peak", "peak_chance")))
        for name, result in results.items() for module, facts in result["attention"].items() if "mass" in facts)


def run_cells(name: str, result: dict, run: dict) -> tuple[str, ...]:
    """One training run as the cells of the first table."""
    shipped = " (shipped)" if result["ships"] and run["seed"] == result["seed"] else ""
    return (name, f"{result['parameters']:,}", f"{result['macs'] / 1e6:.1f} M",
            f"{result['recipe']['steps']} x {result['recipe']['batch']}", f"{run['seed']}{shipped}",
            *(per_cent(run.get(key)) for key in ("accuracy", "axis", "sign")), str(run["cpu_seconds"]))


def row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |\n"


def per_cent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
