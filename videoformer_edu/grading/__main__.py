"""The door to the instructor's grader: `python -m videoformer_edu.grading SUBMISSIONS`, docs/instructors.md."""

import sys

from videoformer_edu.classroom.grade_class import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
