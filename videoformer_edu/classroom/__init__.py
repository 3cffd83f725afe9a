"""A class: files as they were handed in, the report on all of them, and what is made of it.

`python -m videoformer_edu.grading SUBMISSIONS` is the command, docs/instructors.md says how it is used. How one answer
is judged, and in which process, is the business of `videoformer_edu.grading`.
"""
