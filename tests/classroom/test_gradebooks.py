"""Worksheets of Moodle and Canvas: the grades are filled in, and no other byte changes."""

import json

import pytest

from videoformer_edu.classroom import gradebooks
from videoformer_edu.classroom.csv_bytes import fields, filled
from videoformer_edu.classroom.gradebooks import Unfit

MOODLE = (
    '\ufeffIdentifier,"Full name","Email address",Status,Grade,"Maximum Grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"\r\n'
    '"Participant 101","First Learner",a@b,"Submitted for grading - ",,100.00,Yes,"Monday, 1 June 2026, 9:00 AM",-,\r\n'
    '"Participant 102","=1+1 Learner",a@b,Submitted,,100.00,Yes,-,-,"<p>a ""good"" one,\r\ntwo lines</p>"\r\n'
    '"Participant 106","Learner, Comma",a@b,Submitted,40.00,100.00,Yes,-,-,\r\n'
    '"Participant 999","Nobody, Here",a@b,"No submission",,100.00,Yes,-,-,\r\n').encode()
CANVAS = (
    b"Student,ID,SIS User ID,SIS Login ID,Section,Sheet 02 (77),Sheet 03: Factorise attention (78),Current Score\n"
    b"    Points Possible,,,,,100.00,50.00,(read only)\n"
    b'"Learner, First",101,u1,first,A,90.00,,90\n'
    b'"Learner, Two",102,u2,two,A,,EX,\n'
    b'"Student, Test",,,,A,,,\n')


@pytest.fixture(scope="module")
def report(graded):
    return json.loads((graded / "report.json").read_text(encoding="utf-8"))


def test_moodle_changes_the_grades_alone(report):
    done = gradebooks.moodle(report, MOODLE)
    expected = (MOODLE.replace(b'"Submitted for grading - ",,', b'"Submitted for grading - ",100.00,')
                .replace(b"102\",\"=1+1 Learner\",a@b,Submitted,,", b"102\",\"=1+1 Learner\",a@b,Submitted,25.00,"))
    assert done.data == expected
    assert done.said[0] == "2 grades filled in."
    assert any("Learner, Comma has 40.00 already, and would get 0.00: kept." in line for line in done.said)
    assert sum("is not in the worksheet" in line for line in done.said) == 3


def test_moodle_in_another_language(report):
    german = MOODLE.replace(b",Grade,", b",Bewertung,").replace(b"Participant", b"Teilnehmer/in")
    assert b",25.00,100.00" in gradebooks.moodle(report, german).data
    unknown = MOODLE.replace(b",Grade,", b",Graad,")
    with pytest.raises(Unfit, match="--column"):
        gradebooks.moodle(report, unknown)
    assert b",25.00,100.00" in gradebooks.moodle(report, unknown, "Graad").data


def test_moodle_scales_to_the_maximum_of_the_row(report):
    assert b",2.50,10.00" in gradebooks.moodle(report, MOODLE.replace(b"100.00", b"10.00")).data


def test_canvas_changes_the_grades_alone(report):
    done = gradebooks.canvas(report, CANVAS)
    assert done.data == CANVAS.replace(b"first,A,90.00,,90", b"first,A,90.00,50.00,90")
    assert "=1+1 Learner has EX already, and would get 12.50: kept." in done.said


def test_canvas_makes_no_assignment_up(report):
    with pytest.raises(Unfit, match="No columns of the gradebook name the sheet"):
        gradebooks.canvas(report, CANVAS.replace(b"Sheet 03: Factorise attention (78)", b"Homework (78)"))
    done = gradebooks.canvas(report, CANVAS.replace(b"Sheet 03: Factorise attention (78)", b"Homework (78)"),
                             "Homework (78)")
    assert b"90.00,50.00,90" in done.data


@pytest.mark.parametrize("odd", [b"", b"a,b\n", "Größe,ID\n1,2\n".encode("latin-1"), b'"a,b\nc', b'"a"x,b\nc,d'])
def test_what_is_no_worksheet_is_refused(report, odd):
    for fill in (gradebooks.moodle, gradebooks.canvas):
        with pytest.raises(Unfit):
            fill(report, odd)


def test_two_sheets_do_not_go_into_one_worksheet(report):
    two = report | {"submissions": [*report["submissions"], report["submissions"][0] | {"sheet": "04"}]}
    with pytest.raises(Unfit, match="one sheet"):
        gradebooks.moodle(two, MOODLE)


def test_the_best_of_several_files_is_taken(report):
    again = report["submissions"][0] | {"points": 60.0}
    done = gradebooks.moodle(report | {"submissions": [*report["submissions"], again]}, MOODLE)
    assert b"Submitted,60.00,100.00" in done.data


@pytest.mark.parametrize("data", [MOODLE, CANVAS, b"a,,\r,\n\n\"x\"\"y\",1", b"a,b,\n,,", b"one", b'"",\n'])
def test_cells_are_found_byte_for_byte(data):
    import csv
    import io
    rows = fields(data)
    same = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert [[field.text for field in row] for row in rows] == same
    assert filled(data, []) == data
    changed = filled(data, [(field, "x,y") for row in rows for field in row])
    assert [[field.text for field in row] for row in fields(changed)] == [["x,y"] * len(row) for row in rows]
