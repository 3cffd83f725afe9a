"""The report, the table, and what is written when a class was graded."""

import csv
import json
import pathlib

import jsonschema
import pytest

from videoformer_edu.classroom.alike import fingerprint
from videoformer_edu.classroom.class_report import harmless

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def report(graded):
    return json.loads((graded / "report.json").read_text(encoding="utf-8"))


def test_the_report_keeps_to_its_schema(report):
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(report)
    for change in ({"points": -1}, {"state": "fine"}, {"extra": 1}):
        odd = report | {"submissions": [report["submissions"][0] | change]}
        assert list(jsonschema.Draft202012Validator(schema).iter_errors(odd)) != []


def test_points_and_names(report):
    rows = {record["student"]: (record["key"], record["state"], record["points"]) for record in report["submissions"]}
    assert rows["First Learner"] == ("101", "graded", 100)
    assert rows["=1+1 Learner"] == ("102", "graded", 25)
    assert rows["Learner, Comma"] == ("106", "unreadable", 0)
    assert 0 < rows["Learner O'Quote"][2] == rows["Ünïcode Learner"][2] < 20
    assert [one["why"] for one in report["passed_over"]] == ["is neither a notebook nor a .py file"]


def test_flags_change_no_score(report):
    flagged = [record for record in report["submissions"] if any(e["flags"] for e in record["exercises"])]
    assert [(record["student"], record["points"]) for record in flagged] == [("Learner <b>", 25)]


def test_the_seed_is_in_nothing_that_stays(graded):
    assert {path.name for path in graded.iterdir()} == {"scores.csv", "scores.html", "report.json", "feedback"}
    assert "seed" not in (graded / "report.json").read_text(encoding="utf-8")


def test_the_table_computes_nothing(graded):
    with open(graded / "scores.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["student"] for row in rows] == sorted((row["student"] for row in rows), key=lambda name: (
        name.removeprefix("'").casefold()))
    assert rows[0]["student"] == "'=1+1 Learner"
    assert rows[0]["03.1"] == "25" and rows[0]["03.4"] == "0"
    for cell in ("=1", "+1", "-1", "@x", "\tx"):
        assert harmless(cell) == f"'{cell}"
    assert harmless("1-1") == "1-1"


def test_alike_means_alike_but_for_names(report):
    twins = [group for group in report["alike"] if not group["as_worked"]]
    assert [(group["exercise"], group["students"]) for group in twins] == [
        ("03.2", ["Learner O'Quote", "Ünïcode Learner"])]
    long = "\n".join(f"    y{i} = x + {i} * y{i - 1 if i else i}" for i in range(12))
    one = f"import math\n\ndef f(x, y0=1):\n    'doc'\n{long}\n    return y3"
    other = f"def helper(): ...\n\ndef f(a, y0=1):  # mine\n{long.replace('x +', 'a +')}\n    return y3"
    assert fingerprint(one, ["f"]) == fingerprint(other, ["f"]) != ""
    assert fingerprint(one, ["f"]) != fingerprint(one.replace("+ 3", "+ 4"), ["f"])
    assert fingerprint("def f(x):\n    return x", ["f"]) == "" == fingerprint("no python(", ["f"])


def test_who_wrote_what_the_course_wrote_is_told_apart(report):
    worked = {group["exercise"]: group["students"] for group in report["alike"] if group["as_worked"]}
    assert worked["03.1"] == ["=1+1 Learner", "First Learner", "Learner <b>"]
    assert worked["03.3"] == ["First Learner"]
