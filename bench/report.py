"""What a run leaves behind: bench/results.csv and, made from it, docs/bench.md and docs/pictures/bench.png."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from timing import MODES, geometric_mean

from videoformer_edu.figures.style import DIVIDED, INK, JOINT, MUTED, house_style, new_figure

ROOT = Path(__file__).parents[1]
KEY = ("pair", "size", "mode", "device", "dtype", "compile")
COLUMNS = (*KEY, "peer", "same_weights", "difference", "gmac", "peer_gmac", "ms", "peer_ms", "percent", "peer_percent",
           "speed_up", "speed_up_q1", "speed_up_q3", "rounds", "torch", "peer_versions", "date")
Row = dict[str, str]
PAGE = """\
# How fast the models are

Each model beside its published peer in one run. Speed-up above 1: ours is faster. Median and quartiles of paired
ratios; models in turn, one thread, processor time, each sample between two matrix products (1569 x 768 by 768 x 3072),
whose rate is 100 %. Equal logits are asserted before anything is timed. One clip of 8 frames, models in eval mode, the
backward pass down to all parameters. Pairs with a star share the structure and not the weights: what is compared there
is the time of one multiply-add. The pair with a plus is measured apart and in no mean: ours takes the exact shortcuts
of `bench/shortcuts.py`, fewer multiply-adds for the same logits.

`make bench` measures everything again and rewrites this page; `make bench ARGS="--pairs vit --size small"` does one
pair in less than a minute. On a shared computer a difference of a few per cent is none.

How fast a class is graded, beside nbgrader and otter-grader, stands in [bench_grading.md](bench_grading.md).

`make bench ARGS="--against ../before --bound 0.97"` asks another question: has this checkout become slower than another
one, say the commit before (`git worktree add ../before HEAD~1`)? Swin, MViT, TimeSformer and ViViT, forward pass and
training step, at teaching and at base size; each checkout in a process of its own, same weights, same clips, in turn.
It prints the median ratio old over new for each row, writes nothing, and exits with 1 if one lies below the bound. All
rows take about a quarter of an hour; `--size small` takes two minutes.

![Speed-up of every pair](pictures/bench.png)
"""


def read(path: Path) -> list[Row]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def merged(old: Sequence[Row], new: Sequence[Row], order: Sequence[str]) -> list[Row]:
    """The new rows in place of old ones of the same comparison; sorted by device, size, mode, then as in `order`."""
    rows = {tuple(row[key] for key in KEY): row for row in (*old, *new)}
    place = {pair: i for i, pair in enumerate(order)}
    return sorted((row for row in rows.values() if row["pair"] in place),
                  key=lambda row: (row["device"], row["dtype"], row["compile"], row["size"], MODES.index(row["mode"]),
                                   place[row["pair"]]))


def write(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def means(rows: Sequence[Row]) -> dict[str, float]:
    """Geometric means of the speed-ups: over all rows but shortcuts, and over those with the same weights."""
    same = [row for row in rows if row["same_weights"] == "yes"]
    groups = {"all pairs": [row for row in rows if row["same_weights"] != "shortcut"],
              "pairs with the same weights": same}
    return {name: geometric_mean([float(row["speed_up"]) for row in group]) for name, group in groups.items() if group}


def settings(rows: Sequence[Row]) -> dict[tuple[str, ...], list[Row]]:
    """The rows of each device, precision and size, compiled or not."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in ("device", "dtype", "compile", "size")), []).append(row)
    return found


def markdown(rows: Sequence[Row]) -> str:
    """The page of the documentation."""
    lines = PAGE.splitlines()
    for (device, dtype, compiled, size), group in settings(rows).items():
        dates, torches = sorted({row["date"] for row in group}), sorted({row["torch"] for row in group})
        how = f"{device}, {dtype}" + (", torch.compile" if compiled == "yes" else "")
        lines += ["", f"## {size.capitalize()} size: {how}", "",
                  f"torch {', '.join(torches)}; {' to '.join(dict.fromkeys((dates[0], dates[-1])))}.", "",
                  "| peer | mode | GMAC | ours, ms | peer, ms | ours, % | peer, % | speed-up | quartiles |",
                  "|---|---|--:|--:|--:|--:|--:|--:|--:|"]
        for row in group:
            gmac = row["gmac"] if row["same_weights"] != "no" else f"{row['gmac']} / {row['peer_gmac']}"
            cells = (row["peer"], row["mode"], gmac, row["ms"], row["peer_ms"], row["percent"], row["peer_percent"],
                     f"**{row['speed_up']}**", f"{row['speed_up_q1']} – {row['speed_up_q3']}")
            lines.append(f"| {' | '.join(cells)} |")
        lines += ["", *(f"Geometric mean over {name}: **{mean:.2f}**  " for name, mean in means(group).items())]
    versions = sorted({version for row in rows for version in row["peer_versions"].split("; ")})
    return "\n".join([*lines, "", f"Peers: {', '.join(versions)}."]) + "\n"


@house_style()
def picture(rows: Sequence[Row]) -> Figure:
    """Speed-up of every pair with its quartiles: one panel for each size, forward and forward+backward."""
    groups = settings([row for row in rows if row["device"].startswith("CPU")] or rows)
    peers = list(dict.fromkeys(row["peer"] for row in rows))
    figure = new_figure(170, 18 + 7 * len(peers))
    panels = figure.subplots(1, len(groups), sharey=True, sharex=True, squeeze=False)[0]
    for axes, ((_, _, _, size), group) in zip(panels, groups.items(), strict=True):
        for i, (mode, colour, marker) in enumerate(zip(MODES, (DIVIDED, JOINT), "os", strict=True)):
            chosen = [row for row in group if row["mode"] == mode]
            x = [float(row["speed_up"]) for row in chosen]
            spread = [[float(row["speed_up"]) - float(row["speed_up_q1"]) for row in chosen],
                      [float(row["speed_up_q3"]) - float(row["speed_up"]) for row in chosen]]
            y = [peers.index(row["peer"]) + 0.24 * (i - 0.5) for row in chosen]
            axes.errorbar(x, y, xerr=spread, fmt=marker, color=colour, markersize=4, linewidth=1.2, label=mode)
        axes.axvline(1, color=MUTED, linewidth=0.8)
        mean = means(group).get("all pairs")
        axes.set_title(f"{size} size" + (f": {mean:.2f}x on the mean" if mean else ""), color=INK)
        axes.xaxis.set_major_formatter("{x:.1f}x")
        axes.grid(axis="x")
    panels[0].set_yticks(range(len(peers)), peers)
    panels[0].set_ylim(len(peers) - 0.4, -0.6)
    panels[0].legend(loc="upper right")
    figure.supxlabel("speed-up over the peer: right of the line ours is faster", fontsize=9)
    return figure


def save(new: Sequence[Row], order: Sequence[str], results: Path, page: Path, image: Path) -> None:
    rows = merged(read(results), new, order)
    write(results, rows)
    page.write_text(markdown(rows), encoding="utf-8")
    picture(rows).savefig(image)
