"""What a run of bench/throughput.py leaves behind: bench/throughput.csv and, made from it, docs/throughput.md."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from report import Row, read

KEY = ("device", "model", "precision", "batch", "compile", "checkpointing", "threads")
COLUMNS = (*KEY, "clip", "gmac", "ms", "ms_q1", "ms_q3", "processor_ms", "clips_per_s", "tflops", "mfu_percent",
           "speed_up", "peak_mib", "rounds", "torch", "date")
PAGE = """\
# How fast training is

One step of `videoformer_edu.training` on clips that are in memory already: forward, backward, clipped gradients,
AdamW. Median and quartiles. TFLOP/s count what the model cannot do without: 3 x 2 x the forward multiply-adds; MFU,
model FLOP utilisation, is their share of the device's dense peak rate (`bench/utilisation.py` has the table and the
sources; a device that is not in it has no MFU). Speed-up: over the first row of the same model and precision that was
measured in the same run. Peak memory holds all: parameters, optimiser, gradients, activations, clips. On a CPU, ms a
step is time on the clock; where processor ms is far below it, other programs had the processor meanwhile, and with one
thread processor ms is the better number.

`python bench/throughput.py` measures on your machine and rewrites this page; `--help` lists what can be asked.
"""
NO_GPU = "No GPU was at hand when this page was made: it says nothing about any. The command above will."
TITLES = {"model": "model", "clip": "clip", "precision": "precision", "batch": "batch", "compile": "compiled",
          "checkpointing": "checkpointing", "threads": "threads", "ms": "ms a step", "quartiles": "quartiles",
          "processor_ms": "processor ms", "clips_per_s": "clips/s", "tflops": "TFLOP/s", "mfu_percent": "MFU, %",
          "speed_up": "speed-up", "peak_mib": "peak, MiB"}
WORDS = ("model", "clip", "precision", "compile", "checkpointing")


def merged(old: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """The new rows in place of old ones of the same case, each device's together."""
    rows = {tuple(row[key] for key in KEY): row for row in (*old, *new)}
    return sorted(rows.values(), key=lambda row: row["device"])


def table(rows: Sequence[Row]) -> list[str]:
    """Markdown; columns in which all rows are empty are left out."""
    rows = [{**row, "quartiles": f"{row['ms_q1']} – {row['ms_q3']}"} for row in rows]
    titles = {key: title for key, title in TITLES.items() if any(row[key] for row in rows)}
    return [f"| {' | '.join(titles.values())} |", f"|{'|'.join('---' if key in WORDS else '--:' for key in titles)}|",
            *(f"| {' | '.join(row[key] or '-' for key in titles)} |" for row in rows)]


def page(rows: Sequence[Row]) -> str:
    lines = PAGE.splitlines()
    for device in dict.fromkeys(row["device"] for row in rows):
        its = [row for row in rows if row["device"] == device]
        lines += ["", f"## {device}", "", f"torch {', '.join(sorted({row['torch'] for row in its}))}; "
                  f"{' to '.join(sorted({row['date'] for row in its}))}.", "", *table(its)]
    if all(row["device"].startswith("CPU") for row in rows):
        lines += ["", NO_GPU]
    return "\n".join(lines) + "\n"


def save(new: Sequence[Row], results: Path, text: Path) -> None:
    rows = merged(read(results), new)
    with results.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    text.write_text(page(rows), encoding="utf-8")
