"""The page on the class and the pages for learners: what they say, and what they must not."""

import html
import json
import re

import pytest

from videoformer_edu.classroom.feedback_page import feedback_pages
from videoformer_edu.classroom.page import histogram
from videoformer_edu.grading.answer_source import text_of
from videoformer_edu.sheets import load

SHEET = load("03")


@pytest.fixture(scope="module")
def class_page(graded):
    return (graded / "scores.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def feedback(graded):
    return {path.name: path.read_text(encoding="utf-8") for path in (graded / "feedback").iterdir()}


def test_nothing_is_fetched_and_nothing_runs(class_page, feedback):
    for page in (class_page, *feedback.values()):
        assert re.findall(r"<script|<link|<img|\bsrc=|\bhref=|\bon\w+=|url\(|@import", page) == []
        assert "default-src 'none'" in page and 'lang="en"' in page and "prefers-color-scheme: dark" in page


def test_text_of_learners_is_escaped(class_page, feedback):
    for page in (class_page, *feedback.values()):
        assert "<b>" not in page
    assert "Learner &lt;b&gt;" in class_page


def test_the_class_page_says_who_made_which_mistake(class_page):
    text = html.unescape(re.sub(r"<[^>]+>", " ", class_page))
    mistake = SHEET.exercises[1].mutants[1]
    assert mistake.name in text and "Learner O'Quote, Ünïcode Learner" in text
    assert " ".join(mistake.sentence.split()) in " ".join(text.split())
    assert "6 files graded" in text and "1 not readable" in re.sub(r"\s+", " ", text)
    assert "it opens files" in text and "its JSON cannot be read" in text


def test_feedback_says_what_check_says_with_hints_and_no_solution(feedback):
    assert sorted(feedback) == ["03_1_1_Learner_102.html", "03_First_Learner_101.html", "03_Learner_Comma_106.html",
                                "03_Learner_O_Quote_104.html", "03_Learner_b_105.html", "03_Unicode_Learner_103.html"]
    page = html.unescape(feedback["03_Learner_O_Quote_104.html"])
    wrong = SHEET.exercises[1]
    assert wrong.mutants[1].sentence in page
    assert wrong.hints[0] in page and wrong.hints[1] in page and wrong.hints[2] not in page
    assert SHEET.exercises[0].hints[0] in page and SHEET.exercises[0].hints[1] not in page  # not attempted
    for name, page in feedback.items():
        for exercise in SHEET.exercises:
            for made in exercise.answer:
                body = [line.strip() for line in text_of(made).splitlines()[2:] if len(line.strip()) > 30]
                assert not any(line in html.unescape(page) for line in body), name
    assert "hand it in again" in feedback["03_Learner_Comma_106.html"]
    assert "it opens files" not in feedback["03_Learner_b_105.html"]  # for the instructor alone


def test_no_two_pages_have_one_name(graded):
    record = json.loads((graded / "report.json").read_text(encoding="utf-8"))["submissions"][-1]
    pages = feedback_pages([record | {"student": name, "key": ""} for name in ("Jo", "JO", "jó", "../jo", "\u202ejo")],
                           {"03": SHEET})
    assert len({name.casefold() for name in pages}) == 5
    assert all(re.fullmatch(r"[A-Za-z0-9_]+\.html", name) for name in pages)


def test_the_histogram_counts_everyone_once():
    drawn = histogram([0, 9.9, 10, 55.5, 99.9, 100, 100], 100)
    assert "0 to 10 points: 2; 10 to 20 points: 1; 50 to 60 points: 1; 90 to 100 points: 3." in drawn
    assert drawn.count("<rect") == 10
