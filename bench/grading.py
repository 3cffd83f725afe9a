"""How many submissions a minute: our grader on a class of every sheet, nbgrader and otter-grader on one, in one run.

    make bench-grading                                             100 submissions a sheet, then the peers: see the page
    make bench-grading ARGS="--sheets 03 --students 20 --dry"      a look

The class is made up (`tests/classroom/made_up_class.py`): right answers and the known mistakes of each sheet in turn,
none that never ends. The peers make the same checks (`bench/peer_graders.py`), in the submission's own process; they
take one submission after the other, so ours is measured with one worker as well. Right answers have to get all points
and wrong ones fewer, from everybody, before anything is compared. Writes docs/bench_grading.md.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import platform
import resource
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "classroom")]
import peer_graders  # noqa: E402
import torch  # noqa: E402
from made_up_class import as_bytes, filled_in, mistaken, worked  # noqa: E402

from videoformer_edu.grading.spec import SheetSpec  # noqa: E402
from videoformer_edu.sheets import folders, load  # noqa: E402

PAGE = ROOT / "docs" / "bench_grading.md"
TITLE = "# How fast a class is graded\n\n"
HEAD = """\
Submissions of one sheet on {cores} cores ({processor}, torch {torch}, {date}): honest answers, right and wrong in turn.
Seconds are on the clock, everything included: start, reading, grading, pages. *Processor* is the time of all processes
for one submission; on a busy machine it is the better number. Memory is the proportional share of all processes
together, at its peak. {load}`make bench-grading` measures again and rewrites this page."""
TABLE = """

| grader | sheet | submissions | at a time | seconds | submissions a minute | processor s each | peak MB |
|---|---|--:|--:|--:|--:|--:|--:|
"""


class Timed(NamedTuple):
    grader: str
    sheet: str
    count: int
    workers: int
    seconds: float
    processor: float
    peak: float

    @property
    def rate(self) -> float:
        return 60 * self.count / self.seconds

    @property
    def row(self) -> str:
        return (f"| {self.grader} | {self.sheet} | {self.count} | {self.workers} | {self.seconds:.1f} "
                f"| {self.rate:.1f} | {self.each:.2f} | {self.peak:.0f} |")

    @property
    def each(self) -> float:
        return self.processor / self.count


def answers(sheet: SheetSpec, number: int) -> dict[str, str]:
    """Every third learner has it right; the others have one mistake in each exercise, another one each time."""
    found: dict[str, str] = {}
    for exercise in sheet.exercises:
        bank = mistaken(exercise)
        found |= worked(exercise) if number % 3 == 0 or not bank else bank[number % len(bank)][1]
    return found


def memory(root: int) -> float:
    """MB of a process and all that came from it, shared pages counted once."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parents[int(entry)] = int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
    family, total = {root}, 0
    while new := {child for child, parent in parents.items() if parent in family} - family:
        family |= new
    for member in family:
        try:
            lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return total / 1024


def timed(grader: str, sheet: str, count: int, workers: int, commands: list[list[str]], place: Path,
          environment: dict[str, str]) -> Timed:
    """Run the commands one after the other and measure them and all their children."""
    peak = [0.0]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    for command in commands:
        with open(place / "log", "ab") as log:
            process = subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log)
        over = threading.Event()

        def watch(process=process, over=over):
            while not over.wait(0.3):
                peak[0] = max(peak[0], memory(process.pid))

        thread = threading.Thread(target=watch)
        thread.start()
        status = process.wait()
        over.set()
        thread.join()
        if status:
            raise RuntimeError(f"{grader} ended with {status}: {(place / 'log').read_text(errors='replace')[-2000:]}")
    seconds, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timed(grader, sheet, count, workers, seconds, processor, peak[0])


def ours(sheet: SheetSpec, students: int, workers: int, place: Path) -> Timed:
    (place / "in").mkdir(parents=True)
    for i in range(students):
        data = as_bytes(filled_in(sheet, answers(sheet, i)))
        (place / "in" / f"learner_{i:03}_{sheet.slug}.ipynb").write_bytes(data)
    command = [sys.executable, "-m", "videoformer_edu.grading", "in", "--sheet", sheet.number,
               "--workers", str(workers), "--feedback", "feedback"]
    row = timed("videoformer_edu", sheet.number, students, workers, [command], place,
                os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
    with open(place / "scores.csv", newline="", encoding="utf-8") as file:
        agree("videoformer_edu", [float(line["points"]) for line in csv.DictReader(file)])
    return row


def nbgrader(python: Path, sheet: SheetSpec, students: int, place: Path) -> Timed:
    place.mkdir(parents=True)
    notebooks = [peer_graders.notebook(sheet, answers(sheet, i)) for i in range(students)]
    command = peer_graders.nbgrader(python, place, sheet, notebooks)
    row = timed("nbgrader autograde", sheet.number, students, 1, [command], place, peer_graders.variables(python))
    with sqlite3.connect(place / "gradebook.db") as database:
        points = dict(database.execute(
            "select s.student_id, sum(coalesce(g.auto_score, 0)) from grade g join submitted_notebook n on "
            "g.notebook_id = n.id join submitted_assignment s on n.assignment_id = s.id group by s.student_id"))
    agree("nbgrader", [points[f"learner{i}"] for i in range(students)])
    return row


def otter(python: Path, sheet: SheetSpec, students: int, place: Path) -> Timed:
    place.mkdir(parents=True)
    notebooks = [peer_graders.notebook(sheet, answers(sheet, i)) for i in range(students)]
    commands = peer_graders.otter(python, place, sheet, notebooks)
    row = timed("otter run", sheet.number, students, 1, commands, place, peer_graders.variables(python))
    results = [json.loads((place / f"out{i}" / "results.json").read_text()) for i in range(students)]
    agree("otter", [sum(test.get("score", 0) for test in result["tests"]) for result in results])
    return row


def agree(grader: str, points: list[float]) -> None:
    """Every third is right and has all points; nobody else has."""
    for i, value in enumerate(points):
        if (value == 100) != (i % 3 == 0):
            raise RuntimeError(f"{grader} gives learner {i} {value} points")


def page(rows: list[Timed]) -> str:
    waiting = os.getloadavg()[2] / os.cpu_count()
    busy = (f"It was busy: {waiting:.0f} programs waited for each core, so seconds on the clock say little. "
            if waiting > 1.5 else "")
    head = HEAD.format(load=busy, cores=os.cpu_count(), processor=platform.machine(), date=datetime.date.today(),
                       torch=torch.__version__.partition("+")[0])
    lines = [TITLE + textwrap.fill(head, 120) + TABLE + "\n".join(row.row for row in rows), ""]
    for peer in (row for row in rows if row.grader != "videoformer_edu"):
        for own in (row for row in rows if row.grader == "videoformer_edu" and row.sheet == peer.sheet):
            lines.append(f"Beside {peer.grader}, sheet {own.sheet}, {own.workers} at a time: "
                         f"**{own.rate / peer.rate:.1f}** times as many submissions a minute, a submission for "
                         f"**1/{peer.each / own.each:.1f}** of the processor time.  ")
    classes = [row for row in rows if row.grader == "videoformer_edu" and row.count >= 100 and row.workers > 1]
    if classes:
        slow = max(classes, key=lambda row: row.seconds / row.count)
        lines += ["", f"The slowest class of 100 on one sheet: {100 * slow.seconds / slow.count:.0f} seconds on the "
                      f"clock (sheet {slow.sheet}), {100 * max(row.each for row in classes):.0f} of processor time at "
                      "most."]
    versions = ", ".join(f"{name} {version}" for name, version in peer_graders.VERSIONS.items())
    return "\n".join([*lines, "", f"Peers: {versions}. They start a kernel or a process a submission,",
                      "import torch in it, and run the checks beside the answer, where it can change them; ours forks",
                      "from a process that has torch already, once an exercise.", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sheets", nargs="*", default=list(folders()))
    parser.add_argument("--students", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--peer-sheet", default="03")
    parser.add_argument("--peer-students", type=int, default=6)
    parser.add_argument("--environment", type=Path, default=ROOT / "build" / "graders")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--dry", action="store_true", help="write no page")
    given = parser.parse_args()
    rows: list[Timed] = []
    with tempfile.TemporaryDirectory(prefix="grading-") as folder:
        place, sheet = Path(folder), load(given.peer_sheet)
        if not given.no_peers:
            python = peer_graders.environment(given.environment)
            rows += [nbgrader(python, sheet, given.peer_students, place / "nbgrader"),
                     otter(python, sheet, given.peer_students, place / "otter"),
                     ours(sheet, max(30, given.peer_students), 1, place / "one")]
            print(*(row.row for row in rows), sep="\n", flush=True)
        for number in given.sheets:
            rows.append(ours(load(number), given.students, given.workers, place / f"sheet{number}"))
            print(rows[-1].row, flush=True)
    text = page(rows)
    print(text)
    if not given.dry:
        PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
