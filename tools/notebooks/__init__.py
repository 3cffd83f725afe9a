"""Builds every notebook of the course from its one hand-written source. Only maintainers run it.

    notebooks/source/NN_slug.py  ->  notebooks/NN_slug.ipynb    a lesson, executed
    solutions/source/NN_slug.py  ->  solutions/NN_slug.ipynb    a worked sheet, executed
                                 ->  exercises/NN_slug.ipynb    the same sheet without its answers, without outputs

Sources are Python files in jupytext's percent format. `make notebooks` builds what changed; nobody edits an .ipynb.
How an answer is marked in a sheet stands in `answers.py`, the rules a finished notebook keeps in `rules.py`.
"""
