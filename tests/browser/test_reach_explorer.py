"""Who can have heard whom: the task done by keyboard, a pattern painted by mouse and keys; both themes, two widths."""

import pytest

from videoformer_edu.widgets import reach_explorer

VIEWS = [(1366, "light"), (1366, "dark"), (390, "light"), (390, "dark")]


@pytest.mark.parametrize(("width", "theme"), VIEWS)
def test_the_task_is_done(show, findings, album, width, theme):
    explorer = show(reach_explorer(), width=width, theme=theme)
    root, page = explorer.root, explorer.page
    words, task = root.locator(".vfe-sentence"), root.locator(".vfe-task")
    assert "can have heard 8 of 128 tokens. Everyone has heard everyone after 7." in words.text_content()
    root.screenshot(path=album / f"reach-start-{theme}-{width}.png")
    first, then = (root.get_by_label(name) for name in ("first", "then"))
    first.select_option(label="joint")
    assert task.get_attribute("data-done") is None, "it is heard, for too many pairs"
    first.select_option(label="divided")
    explorer.press(root.get_by_label("blocks"), "ArrowLeft")
    assert "after 1 block the token in frame 0, row 3, column 0 can have heard 128 of 128" in words.text_content()
    assert "Everyone has heard everyone after 1." in words.text_content()
    assert "2 attentions · 3,072 pairs · 24.0 keys a token" in root.locator("p.vfe-legend").text_content()
    assert task.get_attribute("data-done") is None, "divided attention is not the cheapest"
    first.select_option(label="axial")
    assert "3 attentions · 2,048 pairs · 16.0 keys a token" in root.locator("p.vfe-legend").text_content()
    assert task.get_attribute("data-done") == "true"
    assert "for 2,048 pairs. One block of axial attention" in task.text_content()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert findings(page, "[data-explorer]") == []
    root.screenshot(path=album / f"reach-done-{theme}-{width}.png")


def test_controls_and_keys_move_what_is_seen(show):
    explorer = show(reach_explorer())
    root = explorer.root
    stage = root.locator(".vfe-stage")
    assert explorer.press(root.get_by_label("blocks"), "ArrowRight", "ArrowRight", "ArrowLeft")
    assert explorer.press(stage, "ArrowUp", "ArrowRight", "PageDown", "ArrowDown")
    assert root.get_attribute("data-query") == str((1 * 4 + 3) * 4 + 1)
    root.get_by_label("who can have heard it").check()
    assert "tokens can have heard the token in frame 1, row 3, column 1" in root.locator(".vfe-sentence").text_content()
    explorer.time(stage, *["ArrowUp", "ArrowDown", "PageDown", "PageUp"] * 3)


def test_a_pattern_is_painted(show, album):
    explorer = show(reach_explorer())
    root, words = explorer.root, explorer.root.locator(".vfe-sentence")
    root.get_by_label("paint your own").check()
    assert "can have heard 1 of 128 tokens. Everyone has heard everyone: never." in words.text_content()
    stage = root.locator(".vfe-stage")
    assert explorer.press(stage, "PageDown", "Space")  # a frame ahead ...
    assert "can have heard 2 of 128 tokens" in words.text_content()
    assert root.get_attribute("data-painted") == "0,0,0 1,0,0"
    assert "240 pairs" in root.locator("p.vfe-legend").text_content()  # itself 128 times, and 7 frames of 16 look ahead
    assert explorer.press(stage, "Space")  # ... and taken away again
    assert root.get_attribute("data-painted") == "0,0,0"
    for keys in (["Space"], ["PageUp", "ArrowUp", "Space"], ["ArrowRight", "Space"]):
        assert explorer.press(stage, *keys)
    assert explorer.press(root.get_by_label("blocks"), "ArrowRight", "ArrowRight")
    root.screenshot(path=album / "reach-painted.png")
    assert root.locator(".vfe-task").get_attribute("data-done") is None
