"""CLS copied and averaged, tested on its data: a copy in each frame, every patch once, nothing outside."""

import xml.etree.ElementTree as xml

import pytest

from videoformer_edu.figures.cls_copies import cls_copies, show_cls_copies

SVG = "{http://www.w3.org/2000/svg}"


def boxes(svg: str, kind: str) -> list[tuple[float, ...]]:
    return [tuple(float(rect.get(side)) for side in ("x", "y", "width", "height"))
            for rect in xml.fromstring(svg).iter(f"{SVG}rect") if rect.get("class") == kind]


@pytest.mark.parametrize("frames, places, columns", [(2, 4, 2), (3, 5, 2), (1, 6, 3)])
def test_each_frame_holds_its_copy_and_its_patches(frames, places, columns):
    svg = cls_copies([f"t{i}" for i in range(frames)], [f"p{i}" for i in range(places)], columns=columns)
    assert [len(boxes(svg, kind)) for kind in ("frame", "copy", "patch", "cls")] == [frames, frames, frames * places, 2]
    width, height = (float(xml.fromstring(svg).get(side)) for side in ("width", "height"))
    for x, y, w, h in boxes(svg, "frame"):
        inside = [x < u and u + p < x + w and y < v and v + q < y + h
                  for u, v, p, q in boxes(svg, "copy") + boxes(svg, "patch")]
        assert sum(inside) == 1 + places
    drawn = [box for kind in ("cls", "copy", "patch", "words") for box in boxes(svg, kind)]
    assert all(0 <= x and x + w <= width and 0 <= y and y + h <= height for x, y, w, h in drawn)
    assert all(x + w <= u or u + p <= x or y + h <= v or v + q <= y
               for i, (x, y, w, h) in enumerate(drawn) for u, v, p, q in drawn[:i])


def test_what_is_shown_says_so_in_words(monkeypatch):
    shown = []
    monkeypatch.setattr("videoformer_edu.figures.cls_copies.display", lambda data, raw: shown.append(data))
    show_cls_copies(["t0", "t1"], ["sky", "roof", "door"], caption="A < B")
    assert shown[0]["text/plain"].startswith("CLS is copied into the frames t0, t1. In each of them its copy and the "
                                             "patches sky, roof, door look at each other.")
    assert f'alt="{shown[0]["text/plain"]}"' in shown[0]["text/html"] and "A &lt; B" in shown[0]["text/html"]
