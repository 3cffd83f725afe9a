"""What Sphinx is given to read: notebooks as pages, links that the site can follow."""

import pytest

from tools.site.prepare import for_reading, live_html, within_site


def cell(kind, source, **metadata):
    return {"cell_type": kind, "source": source, "metadata": metadata}


def test_a_notebook_to_read_has_no_bootstrap_and_folds_what_jupyterlab_folds():
    notebook = {"metadata": {"kernelspec": {"name": "python3"}, "videoformer_edu": {}}, "cells": [
        cell("code", "import videoformer_edu", tags=["bootstrap"]),
        cell("code", "picture()", jupyter={"source_hidden": True}),
        cell("code", "answer()", collapsed=True, jupyter={"outputs_hidden": True}),
        cell("code", "plain()", tags=["your_turn"]),
        cell("markdown", ['<a href="01_vit.ipynb#top">here</a> [there](02_b.ipynb) ',
                          '<a class="x" href="https://arxiv.org/x.ipynb">away</a>']),
    ]}
    page = for_reading(notebook)
    assert [one["metadata"] for one in page["cells"]] == [
        {"tags": ["hide-input"]}, {"tags": ["hide-output"]}, {"tags": []}, {"tags": []}]
    assert page["cells"][-1]["source"] == ('<a href="01_vit.html#top">here</a> [there](02_b.ipynb) '
                                           '<a class="x" href="https://arxiv.org/x.ipynb">away</a>')
    assert page["metadata"] == {"kernelspec": {"name": "python3"}}


@pytest.mark.parametrize(("text", "place", "expected"), [
    ("[lesson](notebooks/00.ipynb)", "", "[lesson](notebooks/00.ipynb)"),
    ("[code](../experiments/run.py) and [x](https://arxiv.org/abs/1)", "docs", "code and [x](https://arxiv.org/abs/1)"),
    ("[a](#part) ![picture](pictures/none.png) [models](models.md)", "docs",
     "[a](#part) ![picture](pictures/none.png) [models](models.md)"),
    ("[**bold**](nowhere.md)", "docs", "**bold**"),
])
def test_links_that_lead_nowhere_here_become_words(tmp_path, text, place, expected):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00.ipynb").write_text("")
    assert within_site(text, place, tmp_path) == expected


def test_the_front_page_opens_with_the_transformer_that_runs_in_it():
    assert 'data-explorer="live"' in live_html()
