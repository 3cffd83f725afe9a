"""The report as other systems read it, a thin writer each: text in their documented formats, and nothing of our own.

Sources: Gradescope, autograder_samples, docs/specs.md; PrairieLearn, docs/externalGrading.md; Classroom 50, the
result of an autograder, `classroom50/result/v1`; JUnit, as pytest and CI systems write it; LTI 1.3, Assignment and
Grade Services 2.0, section 3.4 (score). Moodle and Canvas are in gradebooks.py.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from xml.etree import ElementTree

from videoformer_edu.classroom.class_report import best, to_review

MEGABYTE = 1_000_000
SHORT = 3000  # characters of one output: PrairieLearn takes 1 MB in all


class OneOnly(ValueError):
    """The format is for one submission, and there are more or none."""


def single(report: dict, system: str) -> dict:
    records = report["submissions"]
    if len(records) != 1:
        raise OneOnly(f"{system} grades one submission at a time; there are {len(records)} here.")
    return records[0]


def words(exercise: dict) -> str:
    """What `check` would say, as plain text."""
    lines = [exercise["sentence"], *(f"{check['outcome']}: {check['name']}" for check in exercise["checks"])]
    return "\n".join(lines)[:SHORT]


def gradescope(report: dict) -> str:
    """results.json: a test an exercise; what is for the instructor's eyes alone is a hidden test without points."""
    record = single(report, "Gradescope")
    tests = [{"name": exercise["title"], "number": exercise["id"], "score": exercise["points"],
              "max_score": exercise["out_of"], "output": words(exercise), "tags": [exercise["outcome"]],
              "visibility": "visible"} for exercise in record["exercises"]]
    flags = [*record["flags"], *(f"{e['id']}: {flag}" for e in record["exercises"] for flag in e["flags"])]
    if flags:
        tests.append({"name": "For review", "number": "review", "score": 0, "max_score": 0,
                      "output": "\n".join(flags)[:SHORT], "visibility": "hidden"})
    return json.dumps({"score": record["points"], "execution_time": round(record["seconds"]),
                       "output": "\n".join(record["notes"])[:SHORT], "visibility": "visible",
                       "stdout_visibility": "hidden", "tests": tests}, indent=1)


def prairielearn(report: dict) -> str:
    """results.json of at most 1 MB: a score in [0, 1]; a file that cannot be read costs no attempt."""
    record = single(report, "PrairieLearn")
    if record["state"] == "unreadable":
        return json.dumps({"gradable": False, "format_errors": record["notes"]}, indent=1)
    tests = [{"name": f"{exercise['id']} {exercise['title']}", "description": exercise["outcome"],
              "points": exercise["points"], "max_points": exercise["out_of"], "message": words(exercise)}
             for exercise in record["exercises"]]
    text = json.dumps({"gradable": True, "score": share(record), "message": "\n".join(record["notes"])[:SHORT],
                       "tests": tests}, indent=1)
    if len(text.encode()) >= MEGABYTE:
        raise ValueError("PrairieLearn takes no result of more than 1 MB")
    return text


def share(record: dict) -> float:
    return round(record["points"] / record["out_of"], 6) if record["out_of"] else 0.0


def classroom50(report: dict, environment: Mapping[str, str] = os.environ) -> str:
    """result.json with whole points (rounded down); it runs in the student's own repository, so it is feedback."""
    record = single(report, "Classroom 50")
    tests = [{"test-name": f"{exercise['id']} {exercise['title']}", "passed": exercise["outcome"] == "right",
              "score": int(exercise["points"]), "max-score": exercise["out_of"]} for exercise in record["exercises"]]
    tests = tests or [{"test-name": "the file can be read", "passed": False, "score": 0,
                       "max-score": record["out_of"]}]
    given = {name: environment.get(variable, "") for name, variable in (
        ("classroom", "CLASSROOM"), ("assignment", "ASSIGNMENT"), ("submission", "SUBMISSION_TAG"),
        ("commit", "COMMIT_URL"), ("release", "RELEASE_URL"))}
    made = datetime.datetime.fromisoformat(report["made"]).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"schema": "classroom50/result/v1", **given,
                       "review": environment.get("REVIEW_URL") or given["commit"], "datetime": made,
                       "score": sum(test["score"] for test in tests),
                       "max-score": sum(test["max-score"] for test in tests), "tests": tests}, indent=1)


def junit(report: dict) -> str:
    """A suite a file, a case an exercise: failed unless it is right, an error if the grader or the file failed."""
    root = ElementTree.Element("testsuites", name="videoformer_edu")
    for record in report["submissions"]:
        suite = ElementTree.SubElement(root, "testsuite", name=f"{record['student']}, sheet {record['sheet']}",
                                       time=f"{record['seconds']:.3f}")
        cases = record["exercises"] or [{"id": "file", "title": "the file can be read", "outcome": record["state"],
                                         "sentence": "\n".join(record["notes"]), "checks": [], "seconds": 0.0,
                                         "points": 0, "out_of": record["out_of"]}]
        counts = {"failure": 0, "error": 0}
        for case in cases:
            element = ElementTree.SubElement(suite, "testcase", classname=record["student"],
                                             name=f"{case['id']} {case['title']}", time=f"{case['seconds']:.3f}")
            if case["outcome"] != "right":
                kind = "error" if case["outcome"] in ("lost", "unreadable") else "failure"
                counts[kind] += 1
                said = f"{case['outcome']}, {case['points']:g} of {case['out_of']} points"
                ElementTree.SubElement(element, kind, message=said, type=case["outcome"]).text = words(case)
        suite.attrib.update(tests=str(len(cases)), failures=str(counts["failure"]), errors=str(counts["error"]))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def lti(report: dict) -> str:
    """A list of score objects, one a student and sheet, ready to be posted to a line item's `scores`.

    `userId` is the number that the file's name carried, or else the student's name, for the sender to replace. Where
    a person should look first, grading is `PendingManual`; what the grader lost is `Failed` and has no score.
    """
    return json.dumps([score(record, report["made"]) for record in best(report)], indent=1)


def score(record: dict, made: str) -> dict:
    progress = ("Failed" if record["state"] == "lost" else
                "PendingManual" if to_review(record) or record["state"] == "unreadable" else "FullyGraded")
    given = {} if progress == "Failed" else {"scoreGiven": record["points"], "scoreMaximum": record["out_of"]}
    comment = "; ".join(f"{e['id']} {e['outcome']}, {e['points']:g} of {e['out_of']}" for e in record["exercises"])
    time = datetime.datetime.fromisoformat(made).isoformat(timespec="milliseconds")  # with parts of a second, as asked
    return {"userId": record["key"] or record["student"], **given, "comment": comment or " ".join(record["notes"]),
            "timestamp": time, "activityProgress": "Completed", "gradingProgress": progress}


WRITERS = {"gradescope": ("results.json", gradescope), "prairielearn": ("results.json", prairielearn),
           "classroom50": ("result.json", classroom50), "junit": ("junit.xml", junit), "lti": ("scores.json", lti)}
