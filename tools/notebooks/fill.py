"""What the builder writes into the texts of a notebook, so that every fact stands in one place only.

A line of capitals in a markdown cell is a marker and gives way to what it names:

    OBJECTIVES         time, what you need and what you will be able to do     lessons, once
    SHEET              the sheet of this lesson, or that it has none yet       lessons, once
    EXERCISES          the table of exercises                                  sheets, once
    STATEMENT 04.1     difficulty, minutes, points, why, objectives            sheets, each exercise once, in order
    COURSE MAP         all lessons and sheets, what is there as links
    COURSE OBJECTIVES  where each objective is learned, measured and practised

A comment line in a code cell of a sheet gives way to functions of its spec:

    # ANSWER to_tubes from_tubes    signature and docstring, the body between solution markers; tags `answer:NAME`
    # GIVEN linear                  a helper that the sheet hands out, whole

The title goes on top of the first cell; one line of navigation goes under it and ends the notebook.
"""

import re

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from tools.notebooks.course import Course, Lesson
from videoformer_edu.grading.answer_source import text_of, with_markers
from videoformer_edu.grading.spec import SheetSpec

MARKER = re.compile(r"^[A-Z]{5,}(?: [A-Z]+)*(?: \d\d\.\d+)?$", re.M)
FUNCTIONS = re.compile(r"^# (ANSWER|GIVEN) (\w+(?: \w+)*)$", re.M)
PLACES = {  # from a notebook to the lessons and to the sheets
    "lesson": ("", "../exercises/"), "solution": ("../notebooks/", "../exercises/"), "exercise": ("../notebooks/", ""),
}


def fill(cells: list[NotebookNode], course: Course, name: str, kind: str) -> None:
    """Write title, navigation and the texts that markers name into the cells of a notebook, in place."""
    lesson = course.lesson(name)
    texts = {"COURSE MAP": course_map(course, *PLACES[kind]), "COURSE OBJECTIVES": objectives_table(course)}
    if kind == "lesson":
        needed = {"OBJECTIVES": aims(lesson), "SHEET": sheet_line(lesson, PLACES[kind][1])}
        title = f"{lesson.label}: {lesson.question[0].lower()}{lesson.question[1:]}"
    else:
        needed = {"EXERCISES": exercise_table(lesson)}
        needed |= {f"STATEMENT {exercise.id}": exercise.statement() for exercise in lesson.spec.exercises}
        title = f"Sheet {lesson.number} · {lesson.spec.title}"
    used = []

    def text(found: re.Match) -> str:
        used.append(found[0])
        if found[0] not in texts | needed:
            raise ValueError(f"nothing is called {found[0]!r}; there are: {', '.join(texts | needed)}")
        return (texts | needed)[found[0]]

    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = MARKER.sub(text, cell.source)
    if [marker for marker in used if marker in needed] != list(needed):
        raise ValueError(f"the markers {', '.join(needed)} are needed, once each and in this order; "
                         f"found {', '.join(used) or 'none'}")
    if cells[0].source.startswith("# "):
        raise ValueError("the first cell has a title of its own; the builder writes it")
    line = navigation(course, lesson, kind)
    cells[0].source = f"# {title}\n\n{line}\n\n{cells[0].source}"
    cells.append(new_markdown_cell(f"---\n{line}", id="navigation"))


def fill_functions(cell: NotebookNode, spec: SheetSpec) -> None:
    """Write the functions that `# ANSWER` and `# GIVEN` lines name into a code cell of a sheet, in place."""
    parts = {"ANSWER": {made.__name__: made for one in spec.exercises for made in one.answer},
             "GIVEN": {made.__name__: made for one in spec.exercises for made in one.given}}

    def text(found: re.Match) -> str:
        kind, names = found[1], found[2].split()
        for name in names:
            if name not in parts[kind]:
                raise ValueError(f"the sheet has nothing called {name!r} for {found[0]!r}; "
                                 f"there are: {', '.join(parts[kind]) or 'none'}")
        if kind == "ANSWER":
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), *(f"answer:{name}" for name in names)]
        show = with_markers if kind == "ANSWER" else text_of
        return "\n\n\n".join(show(parts[kind][name]) for name in names)

    cell.source = FUNCTIONS.sub(text, cell.source)


def navigation(course: Course, lesson: Lesson, kind: str) -> str:
    """One line: the lesson before, the course map, the sheet or its lesson, the lesson after."""
    lessons, sheets = PLACES[kind]
    written = course.written()
    before = [one for one in written if one.name < lesson.name][-1:]
    after = [one for one in written if one.name > lesson.name][:1]
    links = [f"← [{one.label}]({lessons}{one.name}.ipynb)" for one in before]
    if written and written[0] is not lesson:
        links.append(f"[the course]({lessons}{written[0].name}.ipynb)")
    if kind != "lesson" and lesson.written:
        links.append(f"[lesson {lesson.label}]({lessons}{lesson.name}.ipynb)")
    if kind != "exercise" and lesson.spec:
        links.append(f"[sheet {lesson.number}]({sheets}{lesson.name}_sheet.ipynb)")
    links += [f"[{one.label}]({lessons}{one.name}.ipynb) →" for one in after]
    return " | ".join(links)


def aims(lesson: Lesson) -> str:
    """What the reader invests and gets."""
    lines = [f"**Time:** {lesson.minutes} minutes. **You need:** {lesson.needs}", "", "## You will be able to", ""]
    return "\n".join(lines + [f"- {one}" for one in lesson.objectives])


def sheet_line(lesson: Lesson, sheets: str) -> str:
    """The sheet that belongs to a lesson, in one sentence."""
    if lesson.spec is None:
        return "The graded sheet of this lesson is not there yet." if lesson.announced else "This lesson has no sheet."
    points = sum(exercise.points for exercise in lesson.spec.exercises)
    return (f"The graded sheet [**{lesson.number} · {lesson.spec.title}**]({sheets}{lesson.name}_sheet.ipynb) has "
            f"{len(lesson.spec.exercises)} exercises: {_minutes(lesson)} minutes, {points} points.")


def exercise_table(lesson: Lesson) -> str:
    rows = [f"| {one.id} | {one.title} | {one.minutes} | {one.points} |" for one in lesson.spec.exercises]
    points = sum(one.points for one in lesson.spec.exercises)
    return "\n".join(["| | exercise | minutes | points |", "|---|---|---|---|", *rows,
                      f"| | together | {_minutes(lesson)} | {points} |"])


def course_map(course: Course, lessons: str, sheets: str, pictures: str = "") -> str:
    """The map as a Markdown table. The arguments are the ways to the folders from the page that shows it; with
    `pictures`, each written lesson has its first picture, small (tools/thumbnails)."""
    lines = ["| lesson | the question it answers | minutes | sheet |", "|---|---|---|---|"]
    for one in course.lessons:
        name = f"[**{one.label}**]({lessons}{one.name}.ipynb)" if one.written else f"{one.label} *(not yet)*"
        if pictures and one.written:
            name += f'<br><img src="{pictures}lesson_{one.number}.png" width="200" alt="">'
        lines.append(f"| {name} | {one.question} | {one.minutes} | {_sheet(one, sheets)} |")
    return "\n".join(lines)


def objectives_table(course: Course) -> str:
    """Each objective with its lessons, experiments and exercises, as Markdown. What is not there yet is in italics."""
    lines = ["| at the end you can | lessons | an experiment on the way | exercises |", "|---|---|---|---|"]
    for number, able_to in enumerate(course.objectives, start=1):
        serving = [(one, one.serves[str(number)]) for one in course.lessons if str(number) in one.serves]
        lessons = ", ".join(_marked(one.number, one.written, "**") for one, _ in serving)
        tried = "; ".join(_marked(f"{how['experiment']} ({one.number})", one.written)
                          for one, how in serving if "experiment" in how)
        sheets = " · ".join(_marked(f"{one.number}: {_which(how['exercises'])}", one.spec is not None, "**")
                            for one, how in serving if "exercises" in how)
        lines.append(f"| {number}. {able_to} | {lessons} | {tried} | {sheets} |")
    return "\n".join(lines)


def fill_readme(text: str, course: Course) -> str:
    """The README with the two tables between their markers, `<!-- course map -->` to `<!-- end -->`."""
    tables = {"course map": course_map(course, "notebooks/", "exercises/", "docs/pictures/"),
              "objectives": objectives_table(course)}
    for name, table in tables.items():
        text, places = re.subn(rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda found, table=table:
                               f"{found[1]}{table}\n{found[2]}", text, flags=re.S)
        if places != 1:
            raise ValueError(f"README.md: expected one `<!-- {name} -->` to `<!-- end -->`, found {places}")
    return text


def _marked(text: str, there: bool, mark: str = "") -> str:
    return f"{mark}{text}{mark}" if there else f"*{text}*"


def _which(exercises: str | list[int]) -> str:
    return exercises if isinstance(exercises, str) else ", ".join(map(str, exercises))


def _minutes(lesson: Lesson) -> int:
    return sum(exercise.minutes for exercise in lesson.spec.exercises)


def _sheet(one: Lesson, sheets: str) -> str:
    if one.spec is not None:
        words = f"{len(one.spec.exercises)} exercises, {_minutes(one)} min"
        return f"[**{words}**]({sheets}{one.name}_sheet.ipynb)"
    return f"{one.announced[0]} exercises, {one.announced[1]} min *(not yet)*" if one.announced else "none"
