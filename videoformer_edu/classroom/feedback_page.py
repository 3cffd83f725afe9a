"""One page for one learner: what `check` would have said, hints, and no solution."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from videoformer_edu.classroom.page import SIGNS, folded, group_of, listed, numbers, page, said, table, text
from videoformer_edu.grading.spec import Exercise, SheetSpec

HINTS = {"right": 0, "none": 1, "partly": 2, "wrong": 2, "broken": 1}  # how many of the three; the last is nearly code


def feedback_page(record: dict, sheet: SheetSpec | None) -> str:
    title = f"Sheet {sheet.number} · {sheet.title}" if sheet else "A file that no sheet was found in"
    parts = [f"<h1>{text(title)}</h1>", f'<p class="soft">Feedback for {text(record["student"])}</p>']
    if record["state"] == "unreadable":
        parts.append("<p>This file could not be graded:</p>")
        parts.append(listed(map(text, record["notes"])))
        parts.append("<p>Open it once more, see that it runs, save it and hand it in again.</p>")
        return page(title, "\n".join(parts))
    right = sum(exercise["outcome"] == "right" for exercise in record["exercises"])
    parts.append(numbers([(f"{record['points']:g} of {record['out_of']}", "points"),
                          (f"{right} of {len(record['exercises'])}", "exercises right")]))
    if record["notes"]:
        parts.append(listed(map(text, record["notes"])))
    parts += [article(exercise, sheet.exercise(exercise["id"])) for exercise in record["exercises"]]
    parts.append('<p class="soft">The same checks are in your notebook: <code>ex1.check(...)</code> says what is '
                 "said here, with other numbers.</p>")
    return page(title, "\n".join(parts))


def article(record: dict, exercise: Exercise) -> str:
    group = group_of(record["outcome"])
    checks = record["checks"]
    parts = [f'<article class="{group}"><h2>{text(record["id"])} {text(record["title"])}</h2>',
             f"<p><strong>{SIGNS[group]} {text(record['outcome'])}, {record['points']:g} of {record['out_of']} points"
             f"</strong></p>", said(record["sentence"])]
    if record["notes"]:
        parts.append(listed(map(text, record["notes"])))
    if checks and group != "none":
        rows = [(text(check["name"]), f"{SIGNS[group_of(check['outcome'])]} {text(check['outcome'])}",
                 text(f"stops at: {check['rung']}" if group_of(check["outcome"]) in ("wrong", "broken")
                      else check["sentence"])) for check in checks]
        passed = sum(check["outcome"] == "right" for check in checks)
        parts.append(folded(f"{passed} of {len(checks)} checks passed",
                            table(f"The checks of {record['id']}", ("check", "result", "what it says"), rows),
                            group != "right"))
    hints = exercise.hints[:HINTS[group]]
    parts += [folded(f"Hint {i} of {len(exercise.hints)}", f"<p>{text(hint)}</p>") for i, hint in enumerate(hints, 1)]
    return "\n".join(parts) + "</article>"


def feedback_pages(records: Iterable[dict], sheets: Mapping[str, SheetSpec]) -> dict[str, str]:
    """File name -> page; the names are plain letters, and no two are the same on any file system."""
    pages: dict[str, str] = {}
    for record in records:
        words = unicodedata.normalize("NFKD", f"{record['sheet'] or 'unknown'} {record['student']} {record['key']}")
        stem = re.sub(r"[^A-Za-z0-9]+", "_", words.encode("ascii", "ignore").decode()).strip("_")[:80]
        name, number = f"{stem}.html", 1
        while name.casefold() in map(str.casefold, pages):
            number += 1
            name = f"{stem}_{number}.html"
        pages[name] = feedback_page(record, sheets.get(record["sheet"]))
    return pages
