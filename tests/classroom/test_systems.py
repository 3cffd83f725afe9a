"""Each system's file against what its documentation asks for, from one graded class."""

import json
import re
from xml.etree import ElementTree

import pytest

from videoformer_edu.classroom import systems

VISIBILITY = {"hidden", "after_due_date", "after_published", "visible"}


@pytest.fixture(scope="module")
def report(graded):
    return json.loads((graded / "report.json").read_text(encoding="utf-8"))


def only(report, student):
    return report | {"submissions": [one for one in report["submissions"] if one["student"] == student]}


def test_gradescope(report):
    """docs/specs.md: score, tests with score, max_score, name, number, output, tags, visibility."""
    result = json.loads(systems.gradescope(only(report, "Learner <b>")))
    assert result["score"] == 25 and isinstance(result["execution_time"], int)
    assert {result["visibility"], result["stdout_visibility"]} <= VISIBILITY
    *exercises, review = result["tests"]
    assert sum(test["score"] for test in exercises) == result["score"]
    assert sum(test["max_score"] for test in exercises) == 100
    assert [test["number"] for test in exercises] == ["03.1", "03.2", "03.3", "03.4"]
    assert set(exercises[0]) == {"name", "number", "score", "max_score", "output", "tags", "visibility"}
    assert exercises[0]["tags"] == ["right"]
    assert review["visibility"] == "hidden" and "opens files" in review["output"] and review["max_score"] == 0


def test_gradescope_of_a_damaged_file_has_a_score(report):
    result = json.loads(systems.gradescope(only(report, "Learner, Comma")))
    assert (result["score"], result["tests"]) == (0, []) and "JSON" in result["output"]


def test_prairielearn(report):
    """docs/externalGrading.md: score in [0, 1], tests with points and max_points, at most 1 MB."""
    text = systems.prairielearn(only(report, "=1+1 Learner"))
    result = json.loads(text)
    assert result["gradable"] is True and result["score"] == 0.25 and len(text) < 1_000_000
    assert [test["max_points"] for test in result["tests"]] == [25, 20, 30, 25]
    assert set(result["tests"][0]) == {"name", "description", "points", "max_points", "message"}


def test_prairielearn_takes_no_attempt_for_a_damaged_file(report):
    result = json.loads(systems.prairielearn(only(report, "Learner, Comma")))
    assert result["gradable"] is False and "score" not in result
    assert all(isinstance(line, str) for line in result["format_errors"])


def test_classroom50(report):
    """classroom50/result/v1: these keys, whole numbers, the sum of the tests is the score."""
    environment = {"CLASSROOM": "c", "ASSIGNMENT": "a", "SUBMISSION_TAG": "submit/1", "COMMIT_URL": "u",
                   "RELEASE_URL": "r"}
    result = json.loads(systems.classroom50(only(report, "Learner O'Quote"), environment))
    assert set(result) == {"schema", "classroom", "assignment", "submission", "commit", "release", "review",
                           "datetime", "score", "max-score", "tests"}
    assert result["schema"] == "classroom50/result/v1" and result["review"] == "u"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", result["datetime"])
    assert isinstance(result["score"], int) and result["max-score"] == 100
    assert sum(test["score"] for test in result["tests"]) == result["score"]
    assert all(set(test) == {"test-name", "passed", "score", "max-score"} and isinstance(test["score"], int)
               and isinstance(test["passed"], bool) for test in result["tests"])


@pytest.mark.parametrize("writer", [systems.gradescope, systems.prairielearn, systems.classroom50])
def test_one_at_a_time(report, writer):
    with pytest.raises(systems.OneOnly, match="there are 6 here"):
        writer(report)


def test_junit(report):
    root = ElementTree.fromstring(systems.junit(report).partition("\n")[2])
    assert root.tag == "testsuites" and len(root) == 6
    for suite in root:
        assert int(suite.get("tests")) == len(suite)
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("errors")) == len(suite.findall("testcase/error"))
    suites = {suite.get("name"): suite for suite in root}
    assert suites["First Learner, sheet 03"].get("failures") == "0"
    assert suites["Learner, Comma, sheet 03"].get("errors") == "1"
    assert suites["=1+1 Learner, sheet 03"].find("testcase/failure").get("message") == "not attempted, 0 of 20 points"


def test_lti(report):
    """Assignment and Grade Services 2.0: required keys, scoreMaximum with scoreGiven, parts of a second."""
    scores = {score["userId"]: score for score in json.loads(systems.lti(report))}
    assert len(scores) == 6
    for score in scores.values():
        assert set(score) == {"userId", "scoreGiven", "scoreMaximum", "comment", "timestamp", "activityProgress",
                              "gradingProgress"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", score["timestamp"])
        assert score["activityProgress"] == "Completed" and 0 <= score["scoreGiven"] <= score["scoreMaximum"] == 100
    assert [scores[key]["gradingProgress"] for key in ("101", "105", "106")] == [
        "FullyGraded", "PendingManual", "PendingManual"]


def test_lti_gives_no_score_for_what_the_machine_has_lost(report):
    lost = report | {"submissions": [report["submissions"][0] | {"state": "lost"}]}
    (score,) = json.loads(systems.lti(lost))
    assert score["gradingProgress"] == "Failed" and "scoreGiven" not in score
