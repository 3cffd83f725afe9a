"""What a notebook looks like when it is handed in."""

import json

import pytest
from made_up_class import odd_notebooks

from videoformer_edu.classroom import file_code
from videoformer_edu.classroom.archive import Refused
from videoformer_edu.classroom.file_code import read_code
from videoformer_edu.classroom.whose import defined, functions_of
from videoformer_edu.sheets import load

SHEET = load("03")
ODD = odd_notebooks(SHEET)


@pytest.mark.parametrize("what", [name for name, (_, outcome) in ODD.items() if outcome == "right"])
def test_every_function_survives(what):
    code = read_code(ODD[what][0], "work.py" if what.endswith("py") else "work.ipynb")
    assert functions_of(SHEET) <= defined(code)


@pytest.mark.parametrize("what", [name for name, (_, outcome) in ODD.items() if outcome != "right"])
def test_what_cannot_be_read_says_why(what):
    with pytest.raises(Refused, match=ODD[what][1]):
        read_code(ODD[what][0], "work.ipynb")


def test_tags_and_numbers_are_kept():
    notebook = {"cells": [{"cell_type": "markdown", "source": "x"},
                          {"cell_type": "code", "source": ["a = 1\n", "b = 2"], "metadata": {"tags": ["answer:a", 7]}},
                          "no cell", {"cell_type": "code", "source": {"odd": 1}, "metadata": []}]}
    code = read_code(json.dumps(notebook).encode(), "x.ipynb")
    assert [(cell.source, cell.number, cell.tags) for cell in code.cells] == [
        ("a = 1\nb = 2", 1, ("answer:a",)), ("", 3, ())]
    assert code.notes == ("has 1 cell that is none, passed over",)


@pytest.mark.parametrize(("data", "text"), [
    ("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"), "x = 'é'"),
    ("x = 'é'\r\n".encode(), "x = 'é'\n"),
    ("\ufeffx = 'é'".encode(), "x = 'é'"),
    ("x = 'é'".encode("latin-1"), "x = 'é'"),
])
def test_a_script_is_read_in_its_encoding(data, text):
    assert text in read_code(data, "x.py").cells[0].source


def test_more_code_than_a_person_writes(monkeypatch):
    monkeypatch.setattr(file_code, "CODE_CHARACTERS", 10)
    with pytest.raises(Refused, match="more than 10 characters"):
        read_code(b"x = 1234567", "x.py")
