"""Every page explorer is one piece of HTML: named after its question, of one bound in size, needing nothing outside."""

import base64
import re
import zlib

import pytest
from bs4 import BeautifulSoup

from videoformer_edu.widgets.page_explorer import assemble


def page(title="Where does it look?", config=None, still="<p>still</p>"):
    return assemble("attention", title=title, config=config or {"t": 3}, payload=b"numbers", still=still,
                    remedy="(12 maps). Show fewer")


def test_bytes_repeat_and_the_id_comes_from_the_title():
    assert page().html == page().html
    root = BeautifulSoup(page(title="Block 1: Where does CLS look?").html, "html.parser").select_one("[data-explorer]")
    assert root["id"] == "attention-block-1-where-does-cls-look"
    assert zlib.decompress(base64.b64decode(root["data-payload"])) == b"numbers"


def test_nothing_is_asked_from_outside():
    html = re.sub(r'base64,[\w+/=]+|data-payload="[\w+/=]+"', "", page().html)  # bytes may spell anything
    assert re.findall(r"https?:|//[a-z]|fetch\(|XMLHttpRequest|\bimport\b|localStorage|\beval\b", html) == []


def test_nothing_of_the_script_is_seen_from_outside():
    """Two explorers on a page, perhaps of two versions, share no name."""
    script = page().html.split("<script>")[1]
    assert script.startswith('(() => {\n"use strict";\n') and script.endswith("})();</script>")
    assert re.findall(r"window\.|globalThis|document\.body", script) == []


def test_text_from_outside_is_text():
    title = "</script><script>alert(1)</script>?"
    soup = BeautifulSoup(page(title=title, config={"label": "<b>&\"'"}).html, "html.parser")
    assert len(soup.select("script")) == 1 and soup.select("b") == []
    root = soup.select_one("[data-explorer]")
    assert "&lt;" not in root["data-config"] and title in root["data-config"].replace('\\"', '"')


def test_every_control_keeps_its_keys():
    """JupyterLab takes them from a control that is made without `control()`."""
    script = page().html.split("<script>")[1]
    assert 'node.setAttribute("data-lm-suppress-shortcuts", "true")' in script
    for native in ("select", "input", "button"):
        assert f'control("{native}"' in script and f'element("{native}"' not in script


def test_a_still_picture_stands_there_until_the_script_has_come_to_its_end():
    soup = BeautifulSoup(page().html, "html.parser")
    assert soup.select_one(".vfe-explorer > .vfe-still").decode_contents() == "<p>still</p>"
    assert page().html.split("hidden = true;")[1].count("append") == 0


def test_display_gives_html_and_a_short_text():
    explorer = page()
    assert explorer._repr_html_() == explorer.html
    assert repr(explorer) == "<explorer: Where does it look?>"


def test_one_megabyte_is_the_most():
    still = "x" * 1_000_000
    with pytest.raises(ValueError, match=r"would add 1\.0 MB.*1 MB is the most \(12 maps\)\. Show fewer"):
        page(still=still)


@pytest.mark.parametrize("title", ["", " ", "Where it looks"])
def test_a_title_is_a_question(title):
    with pytest.raises(ValueError, match="title of an explorer is the question"):
        page(title=title)
