"""The drawing of a model, tested on its data: every part once, in its order, inside the picture, and named in words."""

import base64
import itertools
import re
import xml.etree.ElementTree as xml

import pytest

from videoformer_edu.figures.architecture import (
    BOX,
    KINDS,
    WIDTH,
    Repeat,
    Stage,
    architecture,
    architecture_html,
    names,
    show_architecture,
    spoken,
)

SVG = "{http://www.w3.org/2000/svg}"
HALVES = (Stage("time", text="half the heads: time", residual=True),
          Stage("space", "both halves 64", text="half the heads: space", residual=True))
BLOCK = Repeat("block", 2, (Stage("time", residual=True), HALVES, Stage("mlp", residual=True)), "tokens 129 × 64")
COLUMN = ("video 3 × 8 × 32 × 32", Stage("embed", "tokens 128 × 64"), Stage("positions"), BLOCK,
          Stage("norm", "CLS 64"), Stage("head", "logits 8"))


def boxes(svg: str) -> list[tuple[str, float, float, float, float]]:
    """(class, left, top, width, height) of each rectangle, as drawn."""
    return [(rect.get("class"), *(float(rect.get(side)) for side in ("x", "y", "width", "height")))
            for rect in xml.fromstring(svg).iter(f"{SVG}rect")]


def texts(svg: str) -> list[str]:
    return [text.text for text in xml.fromstring(svg).iter(f"{SVG}text")]


def test_every_part_is_drawn_once_and_below_the_one_before():
    drawn = boxes(architecture(COLUMN))
    order = [kind for kind, *_ in drawn if kind not in ("tensor", "repeat", "header")]
    assert order == ["embed", "positions", "time", "time", "space", "mlp", "norm", "head"]
    tops = [top for kind, _, top, *_ in drawn if kind in KINDS]
    assert tops[3] == tops[4] and tops == sorted(tops) and len(set(tops)) == len(tops) - 1  # two stand side by side
    assert [text for text in texts(architecture(COLUMN)) if "×" in text or text[-1].isdigit()] == [
        "video 3 × 8 × 32 × 32", "tokens 128 × 64", "block × 2", "both halves 64", "tokens 129 × 64", "CLS 64",
        "logits 8"]


def test_nothing_overlaps_or_leaves_the_picture():
    svg = architecture(COLUMN, here="half the heads: time")
    height = float(xml.fromstring(svg).get("height"))
    drawn = [box for box in boxes(svg) if box[0] != "repeat"]
    assert all(0 <= x and x + w <= WIDTH and 0 <= y and y + h <= height for _, x, y, w, h in boxes(svg))
    for (_, x, y, w, h), (_, u, v, p, q) in itertools.combinations(drawn, 2):
        assert x + w <= u or u + p <= x or y + h <= v or v + q <= y
    circles = [float(circle.get("cy")) for circle in xml.fromstring(svg).iter(f"{SVG}circle")]
    assert len(circles) == 3  # one residual for the pair that stands side by side
    assert all(not y - 7 < c < y + h + 7 for c in circles for _, _, y, _, h in drawn)


def test_the_frame_holds_its_stages_and_nothing_else():
    drawn = boxes(architecture(COLUMN))
    (_, _, top, _, height), = (box for box in drawn if box[0] == "repeat")
    inside = [kind for kind, _, y, _, h in drawn if top < y and y + h < top + height]
    assert inside == ["header", "time", "time", "space", "tensor", "mlp"]


@pytest.mark.parametrize("here", ["block", "+ positions", "half the heads: time", "head"])
def test_the_reader_is_in_one_place(here):
    plain, marked = architecture(COLUMN), architecture(COLUMN, here=here)
    assert "you" not in plain
    assert " ".join(texts(marked)).count("you are here") == 1
    edges = [rect.get("class") for rect in xml.fromstring(marked).iter(f"{SVG}rect") if rect.get("stroke-width") == "3"]
    assert edges == [{"block": "repeat", "+ positions": "positions", "half the heads: time": "time"}.get(here, here)]


def test_boxes_side_by_side_are_as_wide_as_one():
    halves = [box for box in boxes(architecture(COLUMN)) if box[3] < BOX and box[0] in KINDS]
    (_, x, _, w, _), (_, u, _, p, _) = halves
    assert w == p and x == (WIDTH - BOX) / 2 and u + p == x + BOX


def test_words_say_what_the_picture_says():
    assert spoken(COLUMN, here="block") == (
        "video 3 × 8 × 32 × 32; patch embedding gives tokens 128 × 64; + positions; block, 2 times: [temporal "
        "attention (residual), side by side: half the heads: time and half the heads: space (residual) gives both "
        "halves 64, MLP (residual)] gives tokens 129 × 64; norm gives CLS 64; head gives logits 8. You are here: block")
    assert spoken(("x", Repeat("once", 1, (Stage("mean"),)))) == "x; once: [mean]"
    assert names(COLUMN[1:]) == ["patch embedding", "+ positions", "block", "temporal attention",
                                 "half the heads: time", "half the heads: space", "MLP", "norm", "head"]


def test_a_page_has_a_column_and_words_for_every_model():
    other = ("clip", Stage("embed", text="a < b"), Stage("head"))
    page = architecture_html({"one": COLUMN, "two & three": other}, here="a < b", caption="Time < space.")
    assert page.count("<img ") == 2 and "two &amp; three" in page and "Time &lt; space." in page
    assert "<svg" not in page and "<style" not in page  # a page that is not trusted strips both
    first, second = (base64.b64decode(found).decode() for found in re.findall(r"svg\+xml;base64,([^\"]+)", page))
    assert first == architecture(COLUMN) and second == architecture(other, here="a < b")
    assert re.findall(r'alt="([^"]*)"', page)[0] == f"one, from top to bottom: {spoken(COLUMN)}."


def test_what_is_shown_has_text_for_a_page_without_pictures(monkeypatch):
    shown = []
    monkeypatch.setattr("videoformer_edu.figures.architecture.display", lambda data, raw: shown.append(data))
    show_architecture({"one": COLUMN}, here="block")
    assert shown[0]["text/plain"] == f"one: {spoken(COLUMN)}"


@pytest.mark.parametrize("make, message", [
    (lambda: Stage("softmax"), "kind must be one of embed, .*got 'softmax'"),
    (lambda: Stage("embed", "tokens of a clip of frames"), "26 characters; 23 fit"),
    (lambda: architecture(COLUMN, here="temporal"), "here is 'temporal'; the parts are called patch embedding"),
    (lambda: architecture_html({"one": COLUMN}, here="blocks"), "here is 'blocks'; the parts are called"),
])
def test_what_cannot_be_drawn_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
