"""The numbers of a run as a plain table: one row a step."""

from __future__ import annotations

import csv
from pathlib import Path

from videoformer_edu.training.files import whole_file


class History:
    """Rows with a "step" (1, 2, ...), a "loss", the learning rate "lr" and, where an evaluation took place, its
    numbers. A list of dicts to read, CSV to keep."""

    def __init__(self):
        self.rows: list[dict] = []

    def add(self, **numbers: float) -> None:
        self.rows.append(numbers)

    def update(self, **numbers: float) -> None:
        """More numbers for the last row."""
        self.rows[-1].update(numbers)

    def column(self, name: str) -> tuple[list[int], list[float]]:
        """The steps that have a number called `name`, and these numbers."""
        rows = [row for row in self.rows if name in row]
        return [row["step"] for row in rows], [row[name] for row in rows]

    @property
    def columns(self) -> list[str]:
        """All names that occur, in the order in which they came up."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    @property
    def losses(self) -> list[float]:
        return [row["loss"] for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self.rows == other.rows

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {value:.4g}" for name, value in self.rows[-1].items()) if self.rows else "empty"
        return f"History({len(self)} steps; {last})"

    def save(self, path: Path | str) -> None:
        """Write the table as CSV, whole or not at all; an empty cell where a row has no such number. Raises OSError."""
        with whole_file(Path(path)) as unfinished, open(unfinished, "w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, self.columns)
            table.writeheader()
            table.writerows(self.rows)

    def state_dict(self) -> dict:
        return {"rows": [dict(row) for row in self.rows]}

    def load_state_dict(self, state: dict) -> None:
        self.rows = [dict(row) for row in state["rows"]]
