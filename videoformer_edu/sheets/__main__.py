"""The banks that test the graders, sheet by sheet: which case sees which wrong answer, or the verdicts on many seeds.

    python -m videoformer_edu.sheets 04               # the kill matrix of every exercise; of all sheets without 04
    python -m videoformer_edu.sheets 04 --seeds 50    # every mistake and every style of the bank on 50 seeds
"""

from __future__ import annotations

import argparse
import sys

from videoformer_edu.grading.bank import kill_table, wrong_verdicts
from videoformer_edu.sheets import folders, load


def main(arguments: list[str]) -> int:
    """Print the matrices, or what the graders get wrong; 1 if they get anything wrong."""
    parser = argparse.ArgumentParser(prog="python -m videoformer_edu.sheets", description=__doc__.splitlines()[0])
    parser.add_argument("sheets", nargs="*", help="numbers of sheets, all without any")
    parser.add_argument("--seeds", type=int, metavar="N", help="judge the whole bank on the seeds 0 to N - 1")
    given = parser.parse_args(arguments)
    wrong = 0
    for exercise in (exercise for number in given.sheets or folders() for exercise in load(number).exercises):
        if given.seeds is None:
            print(kill_table(exercise), end="\n\n")
            continue
        found = wrong_verdicts(exercise, range(given.seeds))
        wrong += len(found)
        tried = given.seeds * (len(exercise.mutants) + len(exercise.styles) + 1)
        print(f"{exercise.id} {exercise.title}: {tried} verdicts on {len(exercise.mutants)} mistakes and "
              f"{len(exercise.styles) + 1} styles, {len(found)} of them wrong", *found, sep="\n  ", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
