"""One page on the class: how it went, what was hardest, which mistakes were made and by whom, what to look at."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping

from videoformer_edu.classroom.class_report import to_review
from videoformer_edu.classroom.page import (
    bar,
    counted,
    folded,
    group_of,
    histogram,
    legend,
    listed,
    numbers,
    page,
    table,
    text,
)
from videoformer_edu.grading.spec import SheetSpec

HARDEST = 12


def class_page(report: dict, sheets: Mapping[str, SheetSpec]) -> str:
    records = report["submissions"]
    title = "The class on " + (", ".join(f"sheet {sheet['number']}" for sheet in report["sheets"]) or "no sheet")
    parts = [f"<h1>{text(title)}</h1>", f'<p class="soft">{len(records)} files graded on {text(report["made"][:10])} '
             f"in {report['run']['seconds']:g} seconds. For the instructor: it names people.</p>"]
    for sheet in report["sheets"]:
        own = [record for record in records if record["sheet"] == sheet["number"]]
        parts.append(one_sheet(sheet, own, sheets[sheet["number"]], several=len(report["sheets"]) > 1))
    parts += [review(report), everyone(report), running(report)]
    return page(title, "\n".join(parts))


def one_sheet(sheet: dict, records: list[dict], spec: SheetSpec, several: bool) -> str:
    read = [record for record in records if record["state"] == "graded"]
    parts = [f"<h2>Sheet {sheet['number']} · {text(sheet['title'])}</h2>"] if several else []
    if not read:
        return "\n".join([*parts, "<p>Nothing could be graded.</p>"])
    points = [record["points"] for record in read]
    parts.append(numbers([(f"{round(statistics.median(points), 1):g} of {sheet['out_of']}", "points, median"),
                          (f"{min(points):g} to {max(points):g}", "lowest to highest"),
                          (str(sum(value == sheet["out_of"] for value in points)), "with all points"),
                          (str(len(records) - len(read)), "not readable or lost"),
                          (str(sum(map(bool, map(to_review, records)))), "to look at")]))
    parts.append(f"<h2>How many points</h2>\n{histogram(points, sheet['out_of'])}")
    parts += [exercises(sheet, read), hardest(read), mistakes(read, spec)]
    return "\n".join(parts)


def exercises(sheet: dict, records: list[dict]) -> str:
    rows = []
    for exercise in sheet["exercises"]:
        own = [one for record in records for one in record["exercises"] if one["id"] == exercise["id"]]
        counts = Counter(group_of(one["outcome"]) for one in own)
        mean = statistics.fmean(one["points"] for one in own)
        rows.append((f"{exercise['id']} {text(exercise['title'])}", f"{mean:.1f} of {exercise['out_of']}",
                     bar(counts), counted(counts)))
    return (f"<h2>Exercise by exercise</h2>\n{legend()}\n"
            + table("Outcomes of each exercise", ("exercise", "points, mean", "outcomes", "in words"), rows, (1,)))


def hardest(records: list[dict]) -> str:
    """Checks by the share of those who wrote the function and did not pass; nobody's stub makes a check hard."""
    tried, passed = Counter(), Counter()
    for record in records:
        for exercise in record["exercises"]:
            for check in exercise["checks"]:
                if check["outcome"] != "not attempted":
                    name = exercise["id"], check["function"], check["name"]
                    tried[name] += 1
                    passed[name] += check["outcome"] == "right"
    order = sorted((passed[name] / count, name) for name, count in tried.items() if passed[name] < count)
    rows = [(f"{text(check)}", f"{exercise}, <code>{text(function)}</code>",
             f"{passed[exercise, function, check]} of {tried[exercise, function, check]}", f"{share:.0%}")
            for share, (exercise, function, check) in order[:HARDEST]]
    if not rows:
        return "<h2>The hardest checks</h2>\n<p>Every check was passed by all who tried.</p>"
    return "<h2>The hardest checks</h2>\n" + table("Of those who wrote the function", (
        "check", "exercise", "passed by", "share"), rows, (2, 3))


def mistakes(records: list[dict], spec: SheetSpec) -> str:
    """Named mistakes, the most frequent first, with the sentence that the learner was told: for the next lecture."""
    made = defaultdict(list)
    for record in records:
        for exercise in record["exercises"]:
            if exercise["mistake"]:
                made[exercise["id"], exercise["mistake"]].append(record["student"])
    wrong = sum(exercise["outcome"] in ("wrong", "partly") for record in records for exercise in record["exercises"])
    sentences = {(e.id, mutant.name): mutant.sentence for e in spec.exercises for mutant in e.mutants}
    rows = [(text(name), exercise, str(len(who)), text(", ".join(sorted(who))),
             text(sentences.get((exercise, name), "")))
            for (exercise, name), who in sorted(made.items(), key=lambda item: (-len(item[1]), item[0]))]
    if not rows:
        return "<h2>Mistakes with a name</h2>\n<p>None of the known mistakes was made.</p>"
    heads, often = ("mistake", "exercise", "times", "by", "what the learner is told"), [r for r in rows if r[2] != "1"]
    once = rows[len(often):]
    parts = [f"<h2>Mistakes with a name</h2>\n<p>{sum(map(len, made.values()))} of {wrong} wrong answers are mistakes "
             "that the sheet knows; the others are told what was seen.</p>"]
    if often:
        parts.append(table("For your next lecture: made more than once", heads, often, (2,)))
    if once:
        parts.append(folded(f"Made once: {len(once)}", table("Mistakes made once", heads, once, (2,)), not often))
    return "\n".join(parts)


def review(report: dict) -> str:
    """Places where a person should look. None of them has changed a score."""
    rows = []
    for record in report["submissions"]:
        seen = {flag: [] for flag in record["flags"]}
        for exercise in record["exercises"]:
            for flag in exercise["flags"]:
                seen.setdefault(flag, []).append(exercise["id"])
        rows += [(text(record["student"]), text(", ".join(places) or record["sheet"] or ""), text(flag))
                 for flag, places in seen.items()]
    parts = ["<h2>To look at</h2>\n<p>For a person to judge; no score depends on it.</p>"]
    parts.append(table("What the code does that answers seldom do", ("student", "where", "what was seen"), rows)
                 if rows else "<p>Nothing unusual was seen in the code.</p>")
    twins = [(text(group["exercise"]), text(", ".join(group["students"])))
             for group in report["alike"] if not group["as_worked"]]
    worked = [(text(group["exercise"]), text(", ".join(group["students"])))
              for group in report["alike"] if group["as_worked"]]
    parts.append("<h3>Answers that are alike</h3>\n<p>Alike but for names, comments and layout. Short answers are "
                 "left out; people who worked together write alike.</p>")
    parts.append(table("Alike among each other", ("exercise", "students"), twins) if twins else "<p>None.</p>")
    if worked:
        parts.append(folded(f"As the course's worked answer, in {len(worked)} exercises",
                            table("As the worked answer", ("exercise", "students"), worked)))
    return "\n".join(parts)


def everyone(report: dict) -> str:
    rows = []
    for record in report["submissions"]:
        shown = ", ".join(f"{e['id']} {e['points']:g}" for e in record["exercises"]) or text(" ".join(record["notes"]))
        rows.append((text(record["student"]), text(record["sheet"] or "?"), f"{record['points']:g}", shown,
                     str(to_review(record) or ""), f"{record['seconds']:.1f}"))
    return "<h2>Everyone</h2>\n" + folded(f"{len(rows)} files", table(
        "Points of everyone", ("student", "sheet", "points", "exercises", "to look at", "seconds"), rows, (2, 4, 5)))


def running(report: dict) -> str:
    """Time and failures, and what this machine could not guarantee."""
    records = report["submissions"]
    slow = sorted(records, key=lambda record: -record["seconds"])[:3]
    parts = ["<h2>Time and failures</h2>", listed([
        f"Grading took {report['run']['seconds']:g} seconds with {report['run']['workers']} at a time.",
        "Slowest: " + text(", ".join(f"{record['student']} {record['seconds']:.1f} s" for record in slow)) + "."])]
    failed = [(text(record["student"]), text(record["state"]), text(" ".join(record["notes"])))
              for record in records if record["state"] != "graded"]
    if failed:
        parts.append(table("Not graded", ("student", "state", "why"), failed))
    if report["several"]:
        parts.append("<h3>More than one file</h3>\n<p>Each has its row; a gradebook gets the best.</p>" + listed(
            text(f"{one['student']}, sheet {one['sheet']}: {', '.join(one['origins'])}") for one in report["several"]))
    if report["passed_over"]:
        count = len(report["passed_over"])
        parts.append(folded(f"{count} other file{'s were' if count > 1 else ' was'} passed over", listed(
            text(f"{one['origin']} {one['why']}") for one in report["passed_over"][:200])))
    if report["run"]["holds"]:
        held = text(", ".join(report["run"]["holds"]))
        parts.append(f"<p>Answers ran in processes of their own; in force: {held}.</p>")
    missing = report["run"]["missing"]
    if missing:
        parts.append("<h3>What this machine could not stop</h3>" + listed(map(text, missing)))
    return "\n".join(parts)
