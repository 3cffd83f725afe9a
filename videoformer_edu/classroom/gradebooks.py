"""Points into a worksheet that was downloaded from Moodle or Canvas; no byte changes but those of the grades.

Moodle finds its columns by names in the language of the course (mod/assign/feedback/offline/importgradeslib.php), and
Canvas makes a new assignment of a title that it does not know, so neither can be written from nothing: the instructor
downloads the worksheet, and it is filled in. A cell that holds a grade already is kept, and said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from videoformer_edu.classroom.class_report import best
from videoformer_edu.classroom.csv_bytes import Field, fields, filled

GRADE = ("Grade", "Bewertung", "Note", "Calificación", "Valutazione", "Beoordeling", "Nota", "Betyg", "Karakter",
         "Ocena", "Známka", "Arvosana", "Оценка", "评分", "成绩", "評点")  # `get_string('grade')` in some languages
CANVAS_ID = "ID"


class Unfit(ValueError):
    """The worksheet cannot be filled in, and the sentence that says why."""


@dataclass(frozen=True)
class Filled:
    """The worksheet, and what a person has to know about it."""

    data: bytes
    said: tuple[str, ...]


def moodle(report: dict, worksheet: bytes, column: str | None = None) -> Filled:
    """Fill in the grading worksheet of an assignment. Raises Unfit.

    A student is found by the number in the first column ("Participant 1234") and in the name of the submission. Points
    are scaled to the maximum of the row, where the worksheet has one.
    """
    rows = rows_of(worksheet)
    head, body = [field.text for field in rows[0]], rows[1:]
    grade = place_of(head, column, GRADE, "the grades")
    most = [i for i, _ in enumerate(head) if i > grade and body and all(number(row, i) is not None for row in body)]
    keys = {}
    for row in body:
        found = re.search(r"(\d+)\s*$", row[0].text)
        if found:
            keys[found[1]] = row
    return fill(report, worksheet, keys, grade, lambda row: number(row, most[0]) if most else None)


def canvas(report: dict, worksheet: bytes, column: str | None = None) -> Filled:
    """Fill in an exported gradebook. Raises Unfit.

    A student is found by `ID`, which the name of a downloaded submission carries. The column is the assignment whose
    title names the sheet, unless it is given. Points are scaled to the `Points Possible` of the column.
    """
    rows = rows_of(worksheet)
    head = [field.text for field in rows[0]]
    if CANVAS_ID not in head:
        raise Unfit("This is no gradebook exported from Canvas: it has no column ID.")
    key = head.index(CANVAS_ID)
    grade = place_of(head, column, (), "the sheet") if column else canvas_column(report, head)
    possible = next((number(row, grade) for row in rows[1:] if row and "Points Possible" in row[0].text), None)
    keys = {row[key].text.strip(): row for row in rows[1:] if len(row) > key and row[key].text.strip().isdecimal()}
    return fill(report, worksheet, keys, grade, lambda row: possible)


def canvas_column(report: dict, head: list[str]) -> int:
    """The one column whose title names the sheet; titles end in the number of the assignment."""
    wanted = [word for sheet in report["sheets"] for word in (f"sheet {sheet['number']}", sheet["title"])]
    found = [i for i, title in enumerate(head) if re.search(r"\(\d+\)\s*$", title)
             and any(word.casefold() in title.casefold() for word in wanted)]
    if len(found) != 1:
        raise Unfit(f"{len(found) or 'No'} columns of the gradebook name the sheet ({', '.join(wanted)}). Name one "
                    f"with --column: {', '.join(title for title in head if re.search(r'[(][0-9]+[)]$', title))}.")
    return found[0]


def rows_of(worksheet: bytes) -> list[list[Field]]:
    try:
        rows = [row for row in fields(worksheet) if row]
    except ValueError as error:
        raise Unfit(f"The worksheet is no CSV in UTF-8: {error}.") from error
    if len(rows) < 2:
        raise Unfit("The worksheet holds no students.")
    return rows


def place_of(head: list[str], column: str | None, known: tuple[str, ...], what: str) -> int:
    found = [i for i, title in enumerate(head) if (title == column if column else title in known)]
    if len(found) != 1:
        raise Unfit(f"{len(found) or 'No'} columns of the worksheet are called {column or known[0]!r}, where {what} "
                    f"should go. Name one with --column: {', '.join(head)}.")
    return found[0]


def number(row: list[Field], place: int) -> float | None:
    try:
        return float(row[place].text.replace(",", ".")) if place < len(row) else None
    except ValueError:
        return None


def fill(report: dict, worksheet: bytes, keys: dict[str, list[Field]], grade: int, maximum) -> Filled:
    sheets = {record["sheet"] for record in report["submissions"]}
    if len(sheets) != 1:
        raise Unfit("A worksheet is for one sheet; name it with --sheet.")
    changes, said = [], []
    for record in best(report):
        row, who = keys.get(record["key"]), record["student"]
        if row is None:
            said.append(f"{who} is not in the worksheet ({'no number' if not record['key'] else record['key']}).")
        elif record["state"] == "lost":
            said.append(f"{who} was not graded: the cell is left as it is.")
        elif grade >= len(row):
            said.append(f"The row of {who} is too short: the cell is left as it is.")
        else:
            most, value = maximum(row), record["points"]
            if most and record["out_of"] and most != record["out_of"]:
                value = value / record["out_of"] * most
            text = f"{value:.2f}"
            old = row[grade].text.strip()
            if old and old != "-" and number(row, grade) != round(value, 2):
                said.append(f"{who} has {old} already, and would get {text}: kept.")
            else:
                changes.append((row[grade], text))
    return Filled(filled(worksheet, changes), (f"{len(changes)} grades filled in.", *said))
