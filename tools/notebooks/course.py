"""The course as its sources say it: every lesson with its head, whether it is written, and its sheet.

The source of a lesson begins with its head, in TOML between two comment lines:

    # /// lesson
    # title = "TimeSformer"
    # question = "How does one block divide space and time?"
    # minutes = 60
    # needs = "PyTorch, and lesson 01 or the idea of queries and keys."
    # objectives = ["**implement** divided attention as two regroupings"]
    # serves.1 = { experiment = "where divided is cheaper", exercises = [4] }
    # ///

`serves` says which of the course's objectives the lesson serves, by what experiment and which exercises of its sheet
("all" or numbers). `sheet = { exercises = 4, minutes = 50 }` announces a sheet that is not written yet. A lesson is
there when its source is, a sheet when `solutions/source/NN_slug_sheet.py` is; what the sheet asks is in its spec,
`videoformer_edu.sheets`. Lessons still to be written stand with the same heads in `notebooks/source/course.toml`.
"""

import pathlib
import re
import tomllib
from dataclasses import dataclass, field

from videoformer_edu.grading.spec import SheetSpec
from videoformer_edu.sheets import load

HEAD = re.compile(r"\A# /// lesson\n((?:#.*\n)+?)# ///\n+")
NEEDED = {"title", "question", "minutes", "serves"}
ALLOWED = NEEDED | {"needs", "objectives", "sheet"}


@dataclass(frozen=True)
class Lesson:
    """One lesson. `name` is its file name, `written` says that it is there; `spec` is its sheet where that is there,
    `announced` the (exercises, minutes) of one that is not. Minutes are a learner's, estimated."""

    name: str
    title: str
    question: str
    minutes: int
    serves: dict[str, dict]
    needs: str = ""
    objectives: tuple[str, ...] = ()
    written: bool = False
    spec: SheetSpec | None = None
    announced: tuple[int, int] | None = None

    @property
    def number(self) -> str:
        return self.name[:2]

    @property
    def label(self) -> str:
        return f"{self.number} · {self.title}"


@dataclass(frozen=True)
class Course:
    """All lessons in order, and the objectives of the whole."""

    lessons: tuple[Lesson, ...]
    objectives: tuple[str, ...] = field(default=())

    def lesson(self, name: str) -> Lesson:
        """The lesson of a notebook, which may be a sheet: "04_timesformer" or "04_timesformer_sheet"."""
        for one in self.lessons:
            if one.name == name.removesuffix("_sheet"):
                return one
        raise ValueError(f"no lesson is called {name.removesuffix('_sheet')!r}; there are "
                         f"{', '.join(one.name for one in self.lessons) or 'none'}")

    def written(self) -> list[Lesson]:
        return [one for one in self.lessons if one.written]


def read_course(root: pathlib.Path) -> Course:
    """The course under `root`. Errors name the file and what is wrong with it."""
    plan = root / "notebooks" / "source" / "course.toml"
    planned = tomllib.loads(plan.read_text(encoding="utf-8")) if plan.exists() else {}
    heads = {path.stem: _head(path) for path in lesson_sources(root)}
    twice = sorted(heads.keys() & planned.get("lessons", {}).keys())
    if twice:
        raise ValueError(f"{plan}: {', '.join(twice)} is written; its head stands in its source, so take it out here")
    lessons = tuple(_lesson(root, name, {**planned.get("lessons", {}), **heads}[name], name in heads)
                    for name in sorted(planned.get("lessons", {}).keys() | heads.keys()))
    course = Course(lessons, tuple(planned.get("objectives", ())))
    for path in sheet_sources(root):
        course.lesson(path.stem)
    for one in lessons:
        unknown = [number for number in one.serves if number not in map(str, range(1, len(course.objectives) + 1))]
        if unknown:
            raise ValueError(f"{one.name} serves objective {unknown[0]}; {plan.name} has {len(course.objectives)}")
    return course


def lesson_sources(root: pathlib.Path) -> list[pathlib.Path]:
    return sorted((root / "notebooks" / "source").glob("[0-9][0-9]_*.py"))


def sheet_sources(root: pathlib.Path) -> list[pathlib.Path]:
    return sorted((root / "solutions" / "source").glob("[0-9][0-9]_*_sheet.py"))


def without_head(text: str) -> str:
    """The source of a lesson from its first cell on."""
    return HEAD.sub("", text)


def _head(path: pathlib.Path) -> dict:
    found = HEAD.match(path.read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f"{path}: a lesson begins with its head, `# /// lesson` to `# ///` (tools/notebooks/course)")
    try:
        head = tomllib.loads("".join(line[2:] or "\n" for line in found[1].splitlines(keepends=True)))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: the head is not TOML: {error}") from error
    missing = sorted({*NEEDED, "needs", "objectives"} - head.keys())
    if missing:
        raise ValueError(f"{path}: the head says nothing about {', '.join(missing)}")
    return head


def _lesson(root: pathlib.Path, name: str, head: dict, written: bool) -> Lesson:
    wrong = sorted(head.keys() - ALLOWED) or sorted(NEEDED - head.keys())
    if wrong:
        raise ValueError(f"{name}: a head needs {sorted(NEEDED)} and may have {sorted(ALLOWED - NEEDED)}; "
                         f"look at {', '.join(wrong)}")
    sheet = head.get("sheet")
    spec = load(name[:2]) if (root / "solutions" / "source" / f"{name}_sheet.py").exists() else None
    if spec and sheet:
        raise ValueError(f"{name}: its sheet is written and says itself how long it is; take `sheet` out of the head")
    return Lesson(name, head["title"], head["question"], head["minutes"], head["serves"], head.get("needs", ""),
                  tuple(head.get("objectives", ())), written, spec, sheet and (sheet["exercises"], sheet["minutes"]))
