"""python -m videoformer_edu.grading SUBMISSIONS ...: grade a class. Exit 0 graded, 2 usage, 3 infrastructure."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from videoformer_edu import sheets as course
from videoformer_edu.classroom import atomic, class_report, gradebooks, systems
from videoformer_edu.classroom.autograder_zip import autograder_zip
from videoformer_edu.classroom.class_page import class_page
from videoformer_edu.classroom.feedback_page import feedback_pages
from videoformer_edu.classroom.handed_in import find
from videoformer_edu.classroom.journal import Journal, Mixed
from videoformer_edu.classroom.run import beside_submissions, grade_all, seed_from
from videoformer_edu.grading.record import Limits
from videoformer_edu.grading.spec import SheetSpec

GRADED, USAGE, INFRASTRUCTURE = 0, 2, 3
WORKSHEETS = {"moodle": gradebooks.moodle, "canvas": gradebooks.canvas}


class Usage(ValueError):
    """What was asked for cannot be done, and the sentence that says why."""


def parser() -> argparse.ArgumentParser:
    out = argparse.ArgumentParser(
        prog="python -m videoformer_edu.grading", description="Grade a class: see docs/instructors.md.",
        epilog="Exit status: 0 graded, 2 usage, 3 the grader or the machine failed (not an answer).")
    out.add_argument("submissions", nargs="*", type=Path, metavar="SUBMISSIONS",
                     help="notebooks, .py files, folders, and the zips that Moodle and Canvas export")
    out.add_argument("--sheet", metavar="NN", help="the sheet, e.g. 04; without it, each file is recognised")
    out.add_argument("--out", type=Path, default=Path("scores.csv"), metavar="FILE",
                     help="the scores (default scores.csv); the page on the class is beside it. With --as and another "
                          "ending than .csv: that system's file, alone")
    out.add_argument("--json", type=Path, metavar="FILE", help="the whole report (docs/report.schema.json)")
    out.add_argument("--feedback", type=Path, metavar="DIR", help="a page for each student")
    out.add_argument("--as", dest="system", choices=[*systems.WRITERS, *WORKSHEETS], metavar="FORMAT",
                     help=f"also for another system: {', '.join([*systems.WRITERS, *WORKSHEETS])}")
    out.add_argument("--worksheet", type=Path, metavar="FILE", help="the worksheet downloaded from Moodle or Canvas")
    out.add_argument("--column", metavar="NAME", help="its column for the grades, where it is not recognised")
    out.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="answers at a time")
    out.add_argument("--seed-file", type=Path, metavar="FILE",
                     help="where the secret seed is kept; made if it is not there. Without it: a new seed a run")
    out.add_argument("--timeout", type=float, default=Limits().seconds, metavar="S", help="seconds for an exercise")
    out.add_argument("--resume", action="store_true", help="go on with a run that was cut off")
    out.add_argument("--gradescope-zip", type=Path, metavar="FILE",
                     help="grade nothing; write an autograder for --sheet that can be uploaded to Gradescope")
    return out


def main(arguments: list[str]) -> int:
    given = parser().parse_args(arguments)
    try:
        return pack(given) if given.gradescope_zip else run(given)
    except (Usage, Mixed, gradebooks.Unfit, systems.OneOnly, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("Stopped. The same command with --resume goes on from here.", file=sys.stderr)
        return INFRASTRUCTURE
    except (OSError, RuntimeError, ValueError) as error:
        print(f"The grader could not do its work: {type(error).__name__}: {error}", file=sys.stderr)
        return INFRASTRUCTURE


def pack(given: argparse.Namespace) -> int:
    if given.sheet is None:
        raise Usage("An autograder is for one sheet: name it with --sheet.")
    data = autograder_zip(load(given.sheet))
    atomic.write(given.gradescope_zip, data)
    print(f"{given.gradescope_zip}: {len(data) / 1e6:.1f} MB, for sheet {given.sheet}. Upload it as it is.")
    return GRADED


def load(number: str) -> SheetSpec:
    try:
        return course.load(number)
    except KeyError as error:
        raise Usage(str(error.args[0]).capitalize() + ".") from error


def run(given: argparse.Namespace) -> int:
    sheets = asked_for(given)
    worksheet = given.worksheet.read_bytes() if given.worksheet else b""
    found, passed = find(given.submissions)
    if not found:
        raise Usage("There is no notebook and no .py file in what was named.")
    seed = None
    if given.seed_file:
        try:
            seed = seed_from(given.seed_file)
        except ValueError as error:
            raise Usage(f"{error}.") from error
    only = load(given.sheet).number if given.sheet else None
    journal = Journal(given.out.with_name(f"{given.out.name}.unfinished"))
    finished = False
    try:
        records, facts = grade_all(found, sheets, journal, only=only, seed=seed, resume=given.resume,
                                   workers=given.workers, limits=limits(given), tell=tell)
        report = class_report.class_report(records, sheets, passed, facts)
        written = write(given, report, sheets, worksheet)
        finished = True
    finally:
        journal.close(finished)
    lost = sum(record["state"] == "lost" for record in records)
    print(summary(report), *(f"Written: {path}" for path in written), sep="\n")
    if lost:
        print(f"{lost} submissions could not be graded for reasons of this machine; grade them again.", file=sys.stderr)
    return INFRASTRUCTURE if lost else GRADED


def asked_for(given: argparse.Namespace) -> Mapping[str, SheetSpec]:
    """The sheets of this run; whatever is wrong with the command is said before anything is graded."""
    if not given.submissions:
        raise Usage("Name what was handed in: notebooks, .py files, folders or zips. --help says more.")
    if given.workers < 1 or given.timeout <= 0:
        raise Usage("--workers and --timeout are greater than 0.")
    if (given.system in WORKSHEETS) != (given.worksheet is not None):
        raise Usage("--as moodle and --as canvas fill in a worksheet that was downloaded there: --worksheet FILE.")
    for option, path in (("--seed-file", given.seed_file), ("--out", given.out), ("--json", given.json)):
        if path and beside_submissions(path, given.submissions):
            raise Usage(f"{option} {path} lies among the submissions; it belongs where no learner's file is.")
    if given.sheet is not None:
        load(given.sheet)
    return {number: course.load(number) for number in course.folders()}


def limits(given: argparse.Namespace) -> Limits:
    return Limits(seconds=given.timeout, cpu_seconds=max(1, round(given.timeout)))


def write(given: argparse.Namespace, report: dict, sheets: Mapping[str, SheetSpec], worksheet: bytes) -> list[Path]:
    """All files of a run, each whole; returns where they are."""
    files: dict[Path, str | bytes] = {}
    table = given.out.suffix.lower() == ".csv" or given.system is None
    if table:
        files[given.out] = class_report.as_csv(report)
        files[given.out.with_suffix(".html")] = class_page(report, sheets)
    if given.system in WORKSHEETS:
        filled = WORKSHEETS[given.system](report, worksheet, given.column)
        files[given.out.with_name(f"{given.worksheet.stem}_filled.csv") if table else given.out] = filled.data
        print(*filled.said, sep="\n")
    elif given.system:
        name, writer = systems.WRITERS[given.system]
        files[given.out.with_name(name) if table else given.out] = writer(report)
    if given.json:
        files[given.json] = class_report.as_json(report)
    for path, content in files.items():
        atomic.write(path, content)
    if given.feedback:
        for name, content in feedback_pages(report["submissions"], sheets).items():
            atomic.write(given.feedback / name, content)
    return [*files, *([given.feedback] if given.feedback else [])]


def summary(report: dict) -> str:
    records = report["submissions"]
    review = sum(map(bool, map(class_report.to_review, records)))
    lines = [f"{len(records)} files in {report['run']['seconds']:g} s, {review} to look at."]
    lines += [f"{record['origin']}: {' '.join(record['notes'])}" for record in records if record["state"] != "graded"]
    lines += [f"{one['student']} handed in {len(one['origins'])} files for sheet {one['sheet']}; each has its row."
              for one in report["several"]]
    return "\n".join(lines)


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
