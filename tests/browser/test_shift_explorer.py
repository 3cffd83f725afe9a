"""What does a shift do? The steps by keyboard, the task done, the mask taken away; both themes, two widths."""

import pytest

from videoformer_edu.widgets import shift_explorer

VIEWS = [(1366, "light"), (1366, "dark"), (390, "light"), (390, "dark")]


@pytest.mark.parametrize(("width", "theme"), VIEWS)
def test_the_task_is_done(show, findings, album, width, theme):
    explorer = show(shift_explorer(), width=width, theme=theme)
    root, page = explorer.root, explorer.page
    words, task, step = root.locator(".vfe-sentence"), root.locator(".vfe-task"), root.get_by_label("step")
    assert "Roll by 2: everything moves up and to the left" in words.text_content()
    assert explorer.press(step, "Home")
    assert "above rows and left of columns 2 and 6." in words.text_content()
    root.screenshot(path=album / f"shift-start-{theme}-{width}.png")
    assert explorer.press(step, *["ArrowRight"] * 5)
    assert "That of the token in row 1, column 6 holds tokens from 4 parts of the frame." in words.text_content()
    root.screenshot(path=album / f"shift-cut-{theme}-{width}.png")
    assert explorer.press(step, "ArrowRight", "ArrowRight")
    assert "looks at 4 tokens, itself included; 12 more in its window are masked." in words.text_content()
    root.screenshot(path=album / f"shift-look-{theme}-{width}.png")
    assert "4 windows: 1,024 pairs computed, 576 of them allowed" in root.locator("p.vfe-legend").text_content()
    assert explorer.press(root.get_by_role("slider", name="shift"), "ArrowRight")
    assert task.get_attribute("data-done") is None
    assert explorer.press(root.locator(".vfe-stage"), *["ArrowDown"] * 6, "ArrowRight")
    assert task.get_attribute("data-done") == "true"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert findings(page, "[data-explorer]") == []
    root.screenshot(path=album / f"shift-done-{theme}-{width}.png")


def test_without_the_mask_the_edges_look_at_each_other(show):
    explorer = show(shift_explorer())
    root = explorer.root
    assert explorer.press(root.get_by_label("step"), "End")
    root.get_by_label("mask").uncheck()
    assert "has looked at 16 tokens; 12 of them came from another side" in root.locator(".vfe-sentence").text_content()
    assert root.locator(".vfe-task").get_attribute("data-done") is None


def test_it_plays_and_a_token_is_chosen_where_it_stands(show):
    explorer = show(shift_explorer())
    root, page = explorer.root, explorer.page
    page.emulate_media(reduced_motion="reduce")
    root.get_by_role("button", name="▶ play").click()
    assert root.get_attribute("data-step") == "11"
    box = root.locator(".vfe-stage canvas").bounding_box()
    page.mouse.click(box["x"] + 0.94 * box["width"], box["y"] + 0.06 * box["height"])  # in place: row 0, column 7
    assert root.get_attribute("data-query") == "7"
    assert explorer.press(root.get_by_label("step"), "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft")  # rolled by 2
    page.mouse.click(box["x"] + 0.94 * box["width"], box["y"] + 0.94 * box["height"])  # row 9 - 8, column 1
    assert root.get_attribute("data-query") == "9"
    explorer.time(root.locator(".vfe-stage"), *["ArrowUp", "ArrowDown", "ArrowRight", "ArrowLeft"] * 3)
