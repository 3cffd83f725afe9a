"""`docs/experiments.md`: the numbers of `RESULTS.json` for a reader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from experiments.catalogue import GROUPS
from experiments.pictures import drawn, picture_name
from experiments.run import LEVELS

HEAD = """# The experiments behind the lessons

Made by `make experiments ARGS="--publish"`, from fixed seeds, one thread a run. A stopped command goes on with the runs
that are missing. `--only NAME` and `--group NAME` pick some, `--jobs 2` makes two at a time, `--help` says the rest;
without `--publish` everything is written to `experiments/out`. The same numbers, with confusion matrices and curves:
[RESULTS.json](../videoformer_edu/pretrained/weights/RESULTS.json). Tried without success: [trials.md](trials.md).

The task, unless a row says otherwise: a handwritten digit moves over a photograph and wraps at the edges; in which of
eight directions? 8 frames of 32 x 32 pixels, 8 x 8 patches, width 64, two blocks, fresh clips in every step. A guess
gets 12.5 % of the directions, 25 % of the axes, 50 % of the signs. A set of frames without order tells the axis and
never the sign, so 50 % of the directions at most.

Settings were chosen on validation examples. **Accuracy** is in per cent on 1024 other clips, whose digits, photographs
and seed no choice has looked at (binomial standard deviation at 50 %: 1.6 points; at 99 %: 0.3): the mean over the
seeds, in brackets the lowest and the highest. **95 % at** is the first look at 512 validation clips, of 20 in a run,
that was at least 95 % right: the earliest and the latest seed, and how many seeds got there where not all did.
**Seconds** are processor time of training alone, with the drawing of clips and without evaluation; a size for
comparison on one machine, no more. Multiply-adds are for one clip. Models in **bold** come with the package
(`load_small(name)`, the first seed). In the pictures a band goes from the lowest to the highest seed, and the dashed
line is a guess.
"""
TABLE = """
| name | what | parameters | multiply-adds | steps x batch | seeds | accuracy | axis | sign | 95 % at | seconds |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
"""
STEPS_TO = """
Steps until the validation accuracy first reached a level, earliest and latest seed:

"""
ELSEWHERE = """
Accuracy on clips of another length, for which nothing was trained: more frames of the same scene, each of which shows
less motion ("12 denser"), and scenes that go on as fast as before ("12 longer"):

"""
PROBES = """
## Other orders of the frames

In per cent, first seed: clips played backwards that are called the opposite direction; accuracy when frame 4 stands
still for the whole clip (a guess gets 12.5); accuracy, and right axes, when the frames come in the fixed order
4 0 7 3 2 5 1 6.

| name | backwards: opposite | frozen | shuffled | shuffled: axis |
|---|--:|--:|--:|--:|
"""
ATTENTION = """
## Where CLS looks

On 256 of the clips or pictures, first seed. Mass: the share of its attention to patches that falls on the digit's
square, for each head and for their mean, and what attention spread evenly would give. Peak: how often the patch of a
frame that it looks at most (mean of the heads) is more than half covered by the square; random: how often any patch is.
Where tokens are tubelets, a frame is a step of them, and covered is the mean over its frames.

| name | attention | mass, each head | mean | evenly | peak | random |
|---|---|---|--:|--:|--:|--:|
"""
PROBE_KEYS = ("reversed_is_opposite", "frozen_accuracy", "shuffled_accuracy", "shuffled_axis")


def markdown(results: Mapping[str, dict]) -> str:
    """The whole page."""
    text = HEAD
    for group, heading in GROUPS.items():
        found = {name: result for name, result in results.items() if group in result["groups"]}
        if not found:
            continue
        text += f"\n## {heading}\n{TABLE}" + "".join(row(*cells(name, result)) for name, result in found.items())
        if notes := [f"- `{name}`: {result['note']}\n" for name, result in found.items() if result["note"]]:
            text += "\n" + "".join(notes)
        if group == "inflation":
            text += STEPS_TO + row("name", *(f"{100 * level:.0f} %" for level in LEVELS)) + "|---|" + "--:|" * 4 + "\n"
            text += "".join(row(f"`{name}`", *(reached(result, level) for level in LEVELS))
                            for name, result in found.items())
        if group == "positions":
            text += ELSEWHERE + elsewhere(found)
        if drawn(results, group):
            text += f"\n![{heading}](pictures/{picture_name(group)})\n"
    text += PROBES + "".join(row(f"`{name}`", *(per_cent(result["probes"][key]) for key in PROBE_KEYS))
                             for name, result in results.items() if "probes" in result)
    return text + ATTENTION + "".join(
        row(f"`{name}`", module, " ".join(f"{x:.2f}" for x in facts["mass"]),
            *(f"{facts[key]:.2f}" for key in ("mean_of_heads", "chance", "peak", "peak_chance")))
        for name, result in results.items() for module, facts in result.get("attention", {}).items() if "mass" in facts)


def elsewhere(found: Mapping[str, dict]) -> str:
    """A row an experiment, a column for each other kind of clip: mean, lowest and highest of the runs."""
    clips = [(frames, speed) for frames, speed, _ in next(iter(found.values()))["elsewhere"]]
    text = row("name", *(f"{frames} {'denser' if speed == 1 else 'longer'}" for frames, speed in clips))
    text += "|---|" + "--:|" * len(clips) + "\n"
    for name, result in found.items():
        runs = [[share for *_, share in run["elsewhere"]] for run in result["runs"]]
        text += row(f"`{name}`", *(spread((sum(shares) / len(shares), min(shares), max(shares)))
                                   for shares in zip(*runs, strict=True)))
    return text


def cells(name: str, result: dict) -> Iterable[str]:
    """One experiment as the cells of its group's table."""
    over, recipe = result["over_seeds"], result["recipe"]
    yield f"**`{name}`**" if result["ships"] else f"`{name}`"
    yield result["title"]
    yield f"{result['parameters']:,}"
    yield f"{result['macs'] / 1e6:.1f} M"
    yield f"{recipe['steps']} x {recipe['batch']}"
    yield str(len(result["runs"]))
    if "painting_loss" in over:
        yield f"error {over['painting_loss'][0]:.3f}"
    else:
        yield spread(over["accuracy"])
    for key in ("axis", "sign"):
        yield spread(over[key]) if key in over else "–"
    yield reached(result, LEVELS[-1])
    yield f"{over['seconds'][0]:.0f}"


def reached(result: dict, level: float) -> str:
    """When the runs of a result got to a level of validation accuracy."""
    if "accuracy" not in result:
        return "–"
    steps = [run["steps_to"][str(level)] for run in result["runs"]]
    there = sorted(step for step in steps if step is not None)
    if not there:
        return "never"
    text = str(there[0]) if there[0] == there[-1] else f"{there[0]} – {there[-1]}"
    return text if len(there) == len(steps) else f"{text} ({len(there)} of {len(steps)})"


def spread(values: tuple[float, float, float]) -> str:
    mean, low, high = values
    return per_cent(mean) if low == high else f"{per_cent(mean)} ({per_cent(low)} – {per_cent(high)})"


def row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |\n"


def per_cent(share: float) -> str:
    return f"{100 * share:.1f}"
