"""The report on a class: plain data, one JSON file, and whatever else is written is made from it.

`docs/report.schema.json` describes it; a test holds the two together.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections.abc import Mapping, Sequence

import videoformer_edu
from videoformer_edu.classroom.alike import alike
from videoformer_edu.classroom.handed_in import PassedOver
from videoformer_edu.classroom.records import out_of
from videoformer_edu.grading.spec import SheetSpec

SCHEMA = "videoformer_edu/class-report/v1"
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would compute


def class_report(records: Sequence[dict], sheets: Mapping[str, SheetSpec], passed: Sequence[PassedOver],
                 run: Mapping[str, object]) -> dict:
    """`run`: the facts of this run (seconds, workers, what the system could not stop). Sorted by sheet and student."""
    records = sorted(records, key=lambda r: (r["sheet"] or "", r["student"].casefold(), r["origin"]))
    used = {record["sheet"] for record in records} - {None}
    return {
        "schema": SCHEMA, "course": videoformer_edu.__version__,
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "run": dict(run),
        "sheets": [{"number": number, "title": sheet.title, "out_of": out_of(sheet),
                    "exercises": [{"id": e.id, "title": e.title, "out_of": e.points} for e in sheet.exercises]}
                   for number, sheet in sheets.items() if number in used],
        "submissions": list(records), "alike": alike(records, sheets), "several": several(records),
        "passed_over": [{"origin": one.origin, "why": one.why} for one in passed]}


def several(records: Sequence[dict]) -> list[dict]:
    """Students with more than one file for a sheet. Each file has its row; a gradebook takes the best."""
    files: dict[tuple, list[str]] = {}
    for record in records:
        files.setdefault((record["sheet"], record["key"] or record["student"], record["student"]), []).append(
            record["origin"])
    return [{"sheet": sheet, "student": student, "origins": origins}
            for (sheet, _, student), origins in files.items() if len(origins) > 1]


def best(report: dict) -> list[dict]:
    """One record for each student and sheet: the one with the most points, for whatever takes one number."""
    chosen: dict[tuple, dict] = {}
    for record in report["submissions"]:
        name = record["sheet"], record["key"] or record["student"]
        if name not in chosen or record["points"] > chosen[name]["points"]:
            chosen[name] = record
    return list(chosen.values())


def as_json(report: dict) -> str:
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def as_csv(report: dict) -> str:
    """A row a file: the points of the sheet and of each exercise, and how many places ask for a look."""
    exercises = [exercise["id"] for sheet in report["sheets"] for exercise in sheet["exercises"]]
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["student", "key", "sheet", "state", "points", "out_of", *exercises, "to_review", "late", "seconds",
                   "file", "student_found_by", "sheet_found_by", "notes"])
    for record in report["submissions"]:
        points = {exercise["id"]: exercise["points"] for exercise in record["exercises"]}
        rows.writerow([harmless(cell) for cell in (
            record["student"], record["key"], record["sheet"] or "", record["state"], f"{record['points']:g}",
            record["out_of"], *(f"{points[one]:g}" if one in points else "" for one in exercises),
            to_review(record), "yes" if record["late"] else "", f"{record['seconds']:.1f}", record["origin"],
            record["student_by"], record["sheet_by"], " ".join(record["notes"]))])
    return out.getvalue()


def harmless(cell: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = str(cell)
    return f"'{text}" if text.startswith(FORMULA) else text


def to_review(record: dict) -> int:
    return len(record["flags"]) + sum(len(exercise["flags"]) for exercise in record["exercises"])
