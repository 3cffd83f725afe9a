"""The map of the course as data: which lesson answers which question, what exists, where each objective is learned.

The lesson `00_start_here` and the README show the same tables, made here.
"""

from __future__ import annotations

from typing import NamedTuple


class Lesson(NamedTuple):
    """One lesson and its sheet. Minutes are a learner's, estimated; `ready` says that it is there to be opened."""

    name: str
    title: str
    question: str
    minutes: int
    exercises: int = 0
    sheet_minutes: int = 0
    ready: bool = False
    sheet_ready: bool = False


class Objective(NamedTuple):
    """What a learner can do at the end, and where that is learned, measured and practised.

    `experiment` is "what (number of its lesson); what (number)", `exercises` is "sheet: which · sheet: which".
    """

    able_to: str
    lessons: tuple[str, ...]
    experiment: str
    exercises: str


LESSONS = (
    Lesson("00_start_here", "Start here", "What will I be able to do, and is my machine ready?", 40, ready=True),
    Lesson("01_vit_recap", "ViT recap", "How does a picture become tokens that look at each other?", 45, 4, 50,
           ready=True),
    Lesson("02_the_cost_of_time", "The cost of time", "What does the time axis cost, and who pays?", 45, 4, 50),
    Lesson("03_factorised_attention", "Factorised attention", "Who really needs to look at whom?", 50, 4, 50),
    Lesson("04_timesformer", "TimeSformer", "How does one block divide space and time?", 60, 4, 50, ready=True,
           sheet_ready=True),
    Lesson("05_vivit", "ViViT", "Where in the network should time be mixed in?", 50, 4, 50),
    Lesson("06_sparse_and_windowed", "Sparse and windowed", "How do we skip work for real?", 50, 4, 50),
    Lesson("07_multiscale", "Multiscale", "Why look at every scale at full price?", 45, 3, 40),
    Lesson("08_training", "Training", "What makes it learn, and what breaks it?", 60, 4, 50),
    Lesson("09_cnns_or_transformers", "CNNs or transformers", "Which one for my problem?", 45, 3, 40),
    Lesson("10_real_models_and_beyond", "Real models and beyond",
           "Does it hold for the published models, and what comes next?", 45),
)

OBJECTIVES = (
    Objective("Explain attention for video: what the tokens are, who looks at whom, what it costs",
              ("00", "01", "02", "04"),
              "one frame against two (00); an attention map to click through (01); where divided is cheaper (04)",
              "01: all · 02: all · 04: 4"),
    Objective("Implement space-time attention",
              ("03", "04", "05"),
              "a model that sees nothing, and why (04); weights of the reference library, the same logits (04)",
              "04: 1, 2, 3 · 03: all · 05: all"),
    Objective("Compare architectures by what they can learn and what they cost",
              ("04", "05", "07", "10"),
              "divided, joint and space-only on clips where only order tells (04); where time is mixed in (05)",
              "05: all · 07: all"),
    Objective("Design efficient attention patterns",
              ("03", "06", "07"),
              "pairs counted and work really skipped (06)",
              "04: 4 · 03: all · 06: all"),
    Objective("Weigh 3-D CNNs against transformers for a problem of your own",
              ("08", "09", "10"),
              "both trained on the same clips, small data and large (09)",
              "08: all · 09: all"),
)


def lesson(number: str) -> Lesson:
    """The lesson whose name begins with `number`, e.g. "04". Raises ValueError for a number that is not there."""
    for candidate in LESSONS:
        if candidate.name.startswith(f"{number}_"):
            return candidate
    raise ValueError(f"no lesson {number!r}; there are {', '.join(one.name[:2] for one in LESSONS)}")


def course_map(notebooks: str = "", exercises: str = "../exercises/") -> str:
    """The map as a Markdown table. The arguments are the ways to the two folders from the page that shows it."""
    lines = ["| lesson | the question it answers | minutes | sheet |", "|---|---|---|---|"]
    for one in LESSONS:
        name = f"{one.name[:2]} · {one.title}"
        name = f"[**{name}**]({notebooks}{one.name}.ipynb)" if one.ready else f"{name} *(not yet)*"
        lines.append(f"| {name} | {one.question} | {one.minutes} | {_sheet(one, exercises)} |")
    return "\n".join(lines)


def _sheet(one: Lesson, exercises: str) -> str:
    if not one.exercises:
        return "none"
    words = f"{one.exercises} exercises, {one.sheet_minutes} min"
    return f"[**{words}**]({exercises}{one.name}_sheet.ipynb)" if one.sheet_ready else f"{words} *(not yet)*"


def objectives_table() -> str:
    """Each objective with its lessons, experiment and exercises, as Markdown. What is not there yet is in italics."""
    lines = ["| at the end you can | lessons | an experiment on the way | exercises |", "|---|---|---|---|"]
    for number, one in enumerate(OBJECTIVES, start=1):
        lessons = ", ".join(f"**{n}**" if lesson(n).ready else f"*{n}*" for n in one.lessons)
        sheets = (f"**{part}**" if lesson(part[:2]).sheet_ready else f"*{part}*" for part in one.exercises.split(" · "))
        tried = (part if lesson(part[-3:-1]).ready else f"*{part}*" for part in one.experiment.split("; "))
        lines.append(f"| {number}. {one.able_to} | {lessons} | {'; '.join(tried)} | {' · '.join(sheets)} |")
    return "\n".join(lines)


def show_map() -> None:
    """Show the map below a cell of a lesson."""
    _show(course_map())


def show_objectives() -> None:
    """Show the table of objectives below a cell of a lesson."""
    _show(objectives_table())


def _show(table: str) -> None:
    from IPython.display import Markdown, display

    display(Markdown(table))
