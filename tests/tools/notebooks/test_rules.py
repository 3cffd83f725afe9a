"""Each rule finds what it is for, in a notebook that is right but for one thing."""

import nbformat.v4 as v4
import pytest

from tools.notebooks import rules

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def code(source="x = 1", *outputs, count=1, **metadata):
    return v4.new_code_cell(source, outputs=list(outputs), execution_count=count, metadata=metadata)


def text(source):
    return v4.new_markdown_cell(source)


def html(markup):
    return v4.new_output("display_data", {"text/html": markup, "text/plain": "<HTML>"})


def printed(line, name="stdout"):
    return v4.new_output("stream", name=name, text=line)


def found(rule, *cells, **metadata):
    return list(rule(v4.new_notebook(cells=list(cells), metadata=metadata)))


@pytest.mark.parametrize("rule", rules.BUILT)
def test_a_sound_notebook_passes(rule):
    cells = [text("# Title\n![a dog](dog.png)"), code("x", printed("accuracy 0.913\n")),
             code("y", html(f'<figure><img alt="a red square" src="{PIXEL}"></figure>'), count=2, tags=["answer:y_2"])]
    assert found(rule, *cells, kernelspec={"name": "python3", "display_name": "Python 3"}) == []


@pytest.mark.parametrize(("rule", "cells", "message"), [
    (rules.not_run, [code(count=None)], "ran as [None], expected 1 to 1"),
    (rules.not_run, [code(count=2)], "ran as [2]"),
    (rules.not_run, [code(count=2), code(count=1)], "ran as [2, 1], expected 1 to 2"),
    (rules.not_run, [code("x", v4.new_output("error", ename="KeyError"))], "failed with KeyError"),
    (rules.not_run, [code("x", printed("careful", "stderr"))], "wrote to stderr"),
    (rules.run, [code("x", printed("a"), count=None)], "has outputs"),
    (rules.run, [code(count=1)], "has outputs or an execution count"),
    (rules.metadata, [code(execution={"iopub": "2026"})], "unknown metadata ['execution']"),
    (rules.metadata, [code(tags=["hide"])], "tags ['hide']"),
    (rules.metadata, [code(tags=["answer:"])], "tags ['answer:']"),
    (rules.skips, [code("# NBVAL_IGNORE_OUTPUT\nx")], "skipped by a comment"),
    (rules.skips, [code("x  #NBVAL_SKIP")], "skipped by a comment"),
    (rules.skips, [code(tags=["nbval-skip"])], "skipped by a tag"),
    (rules.skips, [code(tags=["raises-exception"])], "skipped by a tag"),
    (rules.sizes, [code("x\n" * 21)], "has 21 lines"),
    (rules.sizes, [code("")], "is empty"),
    (rules.sizes, [text(" \n")], "is empty"),
    (rules.sizes, [code("x", printed("a" * 400_000))], "apart from explorers"),
    (rules.sizes, [code("x", html("<div data-explorer>" + "a" * 1_000_000))], "the explorer of"),
    (rules.sizes, [code("x", *[html("<div data-explorer>" + "a" * 900_000)] * 3)], "at most 2500000"),
    (rules.pictures, [code("x", v4.new_output("display_data", {"image/png": "iVBO"}))], "bare image/png"),
    (rules.pictures, [code("x", html(f'<img src="{PIXEL}">'))], "<img> without alt"),
    (rules.pictures, [code("x", html(f'<img alt=" " src="{PIXEL}">'))], "<img> without alt"),
    (rules.pictures, [code("x", html("<canvas></canvas>"))], "<canvas> without aria-label"),
    (rules.pictures, [code("x", html("<svg><path/></svg>"))], "<svg> without aria-label"),
    (rules.pictures, [code("x", html('<script src="//host.example/x.js"></script>'))], "loads //host.example"),
    (rules.pictures, [code("x", html('<link href="x.css">'))], "loads x.css"),
    (rules.pictures, [text("![](dog.png)")], "picture without alt"),
    (rules.pictures, [text("![a dog](https://host.example/dog.png)")], "another host"),
    (rules.pictures, [text('<img src="dog.png">')], "<img> without alt"),
    (rules.repeatable, [code("x", printed("<A at 0x7f00deadbeef>"))], "an object's address"),
    (rules.repeatable, [code("x", printed("read /home/me/clip.mp4"))], "a path of one machine"),
    (rules.repeatable, [code("x", html('fetch("https://host.example/x")'))], "names the host host.example"),
])
def test_a_rule_finds_what_it_is_for(rule, cells, message):
    problems = found(rule, *cells)
    assert len(problems) == 1 and message in problems[0]


def test_saved_widget_state_and_double_ids_are_found():
    assert found(rules.metadata, widgets={}) == ["unknown metadata ['widgets']"]
    cell = code()
    assert found(rules.metadata, cell, cell) == ["two cells have the same id"]


def test_the_script_of_an_explorer_is_not_taken_for_markup():
    script = "<script>box.innerHTML = '<img src=' + here + '>'</script>"
    assert found(rules.pictures, code("x", html(script))) == []


def test_data_of_explorers_does_not_count_as_notebook():
    assert found(rules.sizes, code("x", html("<div data-explorer>" + "a" * 900_000))) == []


TITLE, AIMS = text("# Title"), text("**You will be able to** see.")
EXERCISES, SUMMARY = text("## Exercises\nGo on."), text("## Summary\n1. One.\n2. Two,\n   and a half.\n3. Three.")


def lesson(*cells):
    return found(rules.lesson_shape, TITLE, AIMS, *[code()] * (41 - len(cells)), *cells)


def test_a_lesson_has_its_shape():
    assert lesson(EXERCISES, SUMMARY) == []
    assert lesson(text(EXERCISES.source + "\n\n" + SUMMARY.source)) == []


@pytest.mark.parametrize(("cells", "message"), [
    ((EXERCISES,), "found 0 lines"),
    ((SUMMARY,), "no heading `## Exercises`"),
    ((EXERCISES, text("## Summary\n- One.\n- Two.")), "found 2 lines"),
    ((EXERCISES, text("## Summary\n- 1.\n- 2.\n- 3.\n- 4.")), "found 4 lines"),
])
def test_a_lesson_without_its_end_is_found(cells, message):
    problems = lesson(*cells)
    assert len(problems) == 1 and message in problems[0]


def test_the_installation_cell_does_not_count_as_written():
    bootstrap = code(tags=["bootstrap"])
    assert found(rules.lesson_shape, TITLE, bootstrap, AIMS, *[code()] * 56, EXERCISES, SUMMARY) == []
    assert found(rules.lesson_shape, TITLE, AIMS, *[code()] * 57, EXERCISES, SUMMARY) == [
        "61 written cells, expected 35 to 60"]


def test_a_short_lesson_without_objectives_is_found():
    problems = found(rules.lesson_shape, text("Title"), text("Hm."), text("Hm."), AIMS, EXERCISES, SUMMARY)
    assert len(problems) == 3
    assert "6 written cells" in problems[0] and "title" in problems[1] and "objectives" in problems[2]
