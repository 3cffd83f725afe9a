"""What has been graded so far, so that a run that was cut off goes on where it was: and only the same run does.

One line a record, after a head that says what the run was: the seed, the version of the sheets and the grader, and
what was handed in. It holds the seed, so only its owner may read it, and it goes when the run is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import videoformer_edu
from videoformer_edu.grading.spec import SheetSpec

UNLIKE = {"course": "another version of the course", "sheets": "another version of the sheets or of the grader",
          "seed": "another seed", "only": "another --sheet", "limits": "another --timeout"}


class Mixed(ValueError):
    """The run that was begun is not this one, and the sentence that says why."""


def version_of(sheets: Mapping[str, SheetSpec]) -> str:
    """A short name for all the Python that decides about points: the grading room, and the sheets' own."""
    package = Path(videoformer_edu.__file__).parent
    digest = hashlib.sha256(" ".join(sheets).encode())
    for path in sorted([*(package / "grading").rglob("*.py"), *(package / "sheets").rglob("*.py")]):
        digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class Journal:
    """Open with `begin` or `resume`; `add` each record; `close` when all is written."""

    def __init__(self, path: Path):
        self.path, self._file = path, None

    def begin(self, run: Mapping[str, object]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        self._line({"run": dict(run)})

    def seed(self) -> int | None:
        """The seed of the run that was begun; None where none was."""
        run = self._read()[0]
        seed = run.get("seed")
        return seed if isinstance(seed, int) else None

    def resume(self, run: Mapping[str, object]) -> list[dict]:
        """The records so far. Raises Mixed when another run was begun here."""
        begun, records, good = self._read()
        for part, words in UNLIKE.items():
            if begun.get(part) != run.get(part):
                raise Mixed(f"The run in {self.path} was begun with {words}. Two runs are never mixed: start again "
                            "without --resume.")
        before, now = begun.get("handed_in"), run["handed_in"]
        if before != now:
            before = before if isinstance(before, dict) else {}
            new, gone = len(now.keys() - before.keys()), len(before.keys() - now.keys())
            other = sum(now[name] != before[name] for name in now.keys() & before.keys())
            raise Mixed(f"The run in {self.path} was begun with other submissions: {new} are new, {gone} are gone, "
                        f"{other} have changed. Two runs are never mixed: start again without --resume.")
        os.truncate(self.path, good)  # a line that was cut off
        self._file = open(self.path, "a", encoding="utf-8")
        return records

    def add(self, record: dict) -> None:
        self._line(record)

    def close(self, done: bool) -> None:
        if self._file is not None:
            self._file.close()
        if done:
            self.path.unlink(missing_ok=True)

    def _line(self, content: dict) -> None:
        self._file.write(json.dumps(content) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self) -> tuple[dict, list[dict], int]:
        """The head, the whole records, and where the last whole line ends."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            raise Mixed(f"There is no unfinished run to go on with: {self.path} does not exist.") from None
        lines, good = [], 0
        for line in data.splitlines(keepends=True):
            try:
                content = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                content = None
            if not isinstance(content, dict):
                break
            lines.append(content)
            good += len(line)
        if not lines or not isinstance(lines[0].get("run"), dict):
            raise Mixed(f"{self.path} is no record of an unfinished run.")
        return lines[0]["run"], lines[1:], good


def done(records: Iterable[dict]) -> set[str]:
    return {record["origin"] for record in records}
