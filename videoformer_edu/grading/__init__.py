"""Exercises: what they ask (spec), how they are judged (check: collect, conclude), how a learner meets them (notebook).

The engine knows no sheet. The sheets, and `sheet("04")` for a notebook, are in `videoformer_edu.sheets`.
"""
