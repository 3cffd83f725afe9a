"""Which case sees which wrong answer, sheet by sheet: `python -m videoformer_edu.sheets 04` (all without a number)."""

from __future__ import annotations

import sys

from videoformer_edu.grading.bank import kill_table
from videoformer_edu.sheets import folders, load


def main(numbers: list[str]) -> int:
    """Print the kill matrix of every exercise of these sheets."""
    for number in numbers or folders():
        print("\n\n".join(kill_table(exercise) for exercise in load(number).exercises))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
