"""All models beside what was published about them: one line each, counted without touching a number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import torch

from videoformer_edu.cost.counted import Reconstruction, count_macs, count_parameters
from videoformer_edu.cost.published import SOURCES, TABLE, Row
from videoformer_edu.models.registry import BUILDERS


@dataclass(frozen=True)
class Line:
    """A measured `Row`: parameters and multiply-adds whole, what was published as printed, deviations in per cent."""

    model: str
    builder: str
    input: str
    parameters: int
    published_parameters_m: float | None
    parameters_deviation: float | None
    macs_closed_form: int | None
    macs_counted: int
    published_gmacs: float | None
    macs_deviation: float | None
    source: str


def measure(row: Row) -> Line:
    """Build the model on the meta device, where tensors have shapes but no memory, and count."""
    with torch.device("meta"):
        model = BUILDERS[row.builder].build(**row.options)
    parameters = count_parameters(model)
    whole = Reconstruction(model) if BUILDERS[row.builder].task == "pretraining" else model
    macs = count_macs(whole, 1, *row.clip)
    options = "".join(f"{key}={value!r}, " for key, value in row.options.items()).removesuffix(", ")
    return Line(
        row.name, f"{row.builder}({options})", " x ".join(map(str, row.clip[1:])),
        parameters, row.parameters_m, deviation(parameters / 1e6, row.parameters_m),
        row.closed(**row.options).macs if row.closed else None,
        macs, row.gmacs, deviation(macs / 1e9, row.gmacs), SOURCES.get(row.source, ""))


def deviation(ours: float, published: float | None) -> float | None:
    """In per cent of what was published."""
    return None if published is None else 100 * (ours / published - 1)


def as_csv(lines: Iterable[Line]) -> str:
    """Comma-separated values with a header, exact numbers, empty where there is none."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(Line.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(line) for line in lines)
    return out.getvalue()


HEADER = (f"{'':29}{'':16}{'parameters, M':^26}{'multiply-adds of one view, G':^42}".rstrip() + "\n"
          f"{'model':29}{'input':16}{'ours':>9}{'published':>10}{'':7}"
          f"{'closed form':>13}{'counted':>11}{'published':>11}")


def as_text(lines: Iterable[Line]) -> Iterator[str]:
    """The table for a terminal, line by line as they are measured; the sources below it."""
    yield HEADER
    sources: dict[str, list[str]] = {}
    for line in lines:
        closed = None if line.macs_closed_form is None else line.macs_closed_form / 1e9
        yield (f"{line.model:29}{line.input:16}"
               f"{_number(line.parameters / 1e6):>9}{_printed(line.published_parameters_m):>10}"
               f"{_per_cent(line.parameters_deviation):>7}"
               f"{_number(closed):>13}{_number(line.macs_counted / 1e9):>11}{_printed(line.published_gmacs):>11}"
               f"{_per_cent(line.macs_deviation):>7}").rstrip()
        if line.source:
            sources.setdefault(line.source, []).append(line.model)
    yield "\nPer cent: ours compared with published. Published figures from"
    for source, names in sources.items():
        yield f"  {names[0]}{f' to {names[-1]}' if names[1:] else ''}: {source}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.2f}" if value >= 1 else f"{value:.4f}"


def _printed(value: float | None) -> str:
    """No more digits than the source has."""
    return "-" if value is None else f"{value:,.5g}"


def _per_cent(value: float | None) -> str:
    return "" if value is None else f"{round(value, 1) + 0.0:+.1f}%"  # + 0.0: a zero has no sign


def lines() -> Iterator[Line]:
    """All rows, measured one by one."""
    return map(measure, TABLE)
