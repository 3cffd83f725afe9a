"""`videoformer-edu`: every command of the course under one name, also where it was installed without its repository."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from videoformer_edu.course_files import FIRST, copy_course

HERE = "videoformer_course"  # the folder that `lab` makes
RUN = {
    "look": ("videoformer_edu.look.__main__", "a video through a model, and where it looked as one page"),
    "train": ("videoformer_edu.training.__main__", "train a model by name on generated clips or a folder of videos"),
    "grade": ("videoformer_edu.classroom.grade_class", "grade what a class has handed in"),
    "cost": ("videoformer_edu.cost.__main__", "tokens, pairs and multiply-adds of the published models"),
}
OWN = {
    "check": "is this machine ready for the course?",
    "lab": f"open JupyterLab in your copy of the course (lab [FOLDER] [options of JupyterLab]; default: {HERE})",
    "copy": "copy lessons and exercises into a folder (copy FOLDER [--solutions]); nothing is overwritten",
    "progress": "the exercises that you have done",
}


def usage() -> str:
    words = OWN | {name: about for name, (_, about) in RUN.items()}
    return "\n".join(["usage: videoformer-edu COMMAND [OPTIONS]", "",
                      *(f"  {name:<10}{about}" for name, about in words.items()), "",
                      "videoformer-edu COMMAND --help tells the options of look, train, grade and cost."])


def main(argv: list[str] | None = None) -> int:
    """0 when all went well, 2 for a command that is not there or not told enough, else what the command returns."""
    name, *given = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help", "help"):
        print(usage())
        return 0
    if name in RUN:
        return importlib.import_module(RUN[name][0]).main(given) or 0
    if name not in OWN:
        print(f"error: there is no command {name!r}\n\n{usage()}", file=sys.stderr)
        return 2
    try:
        return globals()[name](given)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def check(given: list[str]) -> int:
    from videoformer_edu.environment import judge, look_around, verdict_line

    rows = judge(look_around())
    for row in rows:
        print(f"{row.verdict:<8} {row.what}: {row.found}")
    print(verdict_line(rows))
    return int(any(row.advice for row in rows))


def copy(given: list[str]) -> int:
    folders = [word for word in given if not word.startswith("-")]
    unknown = [word for word in given if word.startswith("-") and word != "--solutions"]
    if len(folders) != 1 or unknown:
        print("usage: videoformer-edu copy FOLDER [--solutions]", file=sys.stderr)
        return 2
    copied, kept = copy_course(Path(folders[0]), solutions="--solutions" in given)
    print(f"{len(copied)} files copied to {folders[0]}"
          + (f"; {len(kept)} were there already and stay as they are" if kept else ""))
    return 0


def lab(given: list[str]) -> int:
    named = bool(given) and not given[0].startswith("-")
    folder = Path(given[0]) if named else Path("." if Path(FIRST).is_file() else HERE)
    copied, _ = copy_course(folder) if not (folder / FIRST).is_file() else ([], [])
    if copied:
        print(f"{len(copied)} files copied to {folder}: yours to work in", flush=True)
    try:
        from videoformer_edu.lab import main as jupyterlab

        os.chdir(folder)
        jupyterlab(given[int(named):])
    except ModuleNotFoundError as error:
        print(f"error: JupyterLab is not installed ({error}); pip install 'videoformer_edu[lab]'", file=sys.stderr)
        return 1
    return 0


def progress(given: list[str]) -> int:
    from videoformer_edu.grading.progress_file import VARIABLE, usual_place
    from videoformer_edu.sheets import progress as of_all

    os.environ.setdefault(VARIABLE, str(usual_place()))
    print(of_all(saved=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
