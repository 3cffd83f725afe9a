"""python -m tools.notebooks build [--force] [--beside] [NAME ...]
python -m tools.notebooks check [NAME ...]

NAME picks notebooks by the beginning of their name ("04", "04_timesformer") or by folder ("solutions").
"""

import argparse
import pathlib
import sys

from tools.notebooks import stamp
from tools.notebooks.build import build_all, skeleton
from tools.notebooks.course import read_course
from tools.notebooks.fill import fill_readme
from tools.notebooks.rules import RULES
from tools.notebooks.source import Job, compose, jobs

ROOT = pathlib.Path(__file__).parents[2]


def problems(job: Job) -> list[str]:
    """Everything that is wrong with the notebook of `job` as it lies on disk."""
    notebook = stamp.read(job.target)
    if notebook is None:
        return ["not built; run `make notebooks`"]
    found = [problem for rule in RULES[job.kind] for problem in rule(notebook)]
    if skeleton(notebook) != skeleton(compose(job)):
        found.append(f"differs from {job.source.name}; change the source and run `make notebooks`")
    return found


def readme_problems(root: pathlib.Path, *, mend: bool = False) -> list[str]:
    """Does the README show the course as the sources say it? `mend` writes its tables anew."""
    readme = root / "README.md"
    if not readme.exists():
        return []
    text = readme.read_text(encoding="utf-8")
    filled = fill_readme(text, read_course(root))
    if mend and filled != text:
        readme.write_text(filled, encoding="utf-8")
        print("README.md: the tables of the course written anew")
    return [] if mend or filled == text else ["README.md: the tables of the course are old; run `make notebooks`"]


def pick(found: list[Job], names: list[str]) -> list[Job]:
    """The jobs that any of `names` means; all without names. A name that means none is an error."""
    def means(name: str, job: Job) -> bool:
        return name in (job.target.parent.name, str(job)) or job.name.startswith(name)

    for name in names:
        if not any(means(name, job) for job in found):
            raise SystemExit(f"no notebook is called {name!r}; there are: {', '.join(map(str, found)) or 'none'}")
    return [job for job in found if not names or any(means(name, job) for name in names)]


def main(arguments: list[str] | None = None, root: pathlib.Path = ROOT) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description="Build the notebooks.")
    parser.add_argument("command", choices=("build", "check"))
    parser.add_argument("names", nargs="*", metavar="NAME", help='"04", "04_timesformer", "solutions"')
    parser.add_argument("--force", action="store_true", help="build what has not changed, too")
    parser.add_argument("--beside", action="store_true", help="write NAME.new.ipynb beside a notebook worked in")
    options = parser.parse_intermixed_args(arguments)
    wanted = pick(jobs(root), options.names)
    if options.command == "build":
        failures = build_all(wanted, force=options.force, beside=options.beside) + readme_problems(root, mend=True)
    else:
        failures = [f"{job}: {problem}" for job in wanted for problem in problems(job)] + readme_problems(root)
    print(f"{len(wanted)} notebooks, {len(failures)} problems")
    print("\n".join(failures), end="\n" if failures else "")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
