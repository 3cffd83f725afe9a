"""Which scale saw it: the task done by keyboard and mouse, both themes, two widths."""

import numpy as np
import pytest
import torch

from videoformer_edu.attention.pooling import Pooled
from videoformer_edu.attention.recording import AttentionMap
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets import scales_explorer

CLIP = Grid(4, 8, 8)
FRAMES = np.random.default_rng(1).integers(0, 90, (8, 64, 64, 3), np.uint8)
DIGIT = torch.zeros(8, 8, 8, dtype=torch.bool)
DIGIT[2:4, :4, :4] = True  # in step 1, the upper left quarter


def maps():
    """Everybody looks a little everywhere; the last column of tokens looks at the digit in step 1."""
    out = []
    for i, (pattern, heads) in enumerate(((Pooled((1, 4, 4)), 1), (Pooled((1, 2, 2), (1, 2, 2)), 2))):
        queries, keys = pattern.query_grid(CLIP), pattern.key_grid(CLIP)
        shares = torch.full((1, 1, heads, 1 + queries.l, 1 + keys.l), 1.0)
        shares[..., 1 + 3 * keys.n] = 2  # most look at the first place of step 3
        place = torch.arange(queries.l)
        shares[..., 1 + place[place % queries.w == queries.w - 1], 1 + keys.n] = 9
        out.append(AttentionMap(f"blocks.{i}.attention", shares / shares.sum(-1, keepdim=True), pattern, CLIP))
    return out


EXPLORER = scales_explorer(FRAMES, maps(), digit=DIGIT, start=(2, 3, 5), alt="Eight frames")


@pytest.mark.parametrize("width", [1366, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_task_is_done(show, findings, width, theme, album):
    explorer = show(EXPLORER, width=width, theme=theme)
    root, words, task = (explorer.root, explorer.root.locator(".vfe-sentence"), explorer.root.locator(".vfe-task"))
    assert words.text_content().startswith(
        "block 0, its one head: the 8-pixel patch in frames 4 to 5, row 3, column 5 looks most at a box of 32 pixels: "
        "frames 6 to 7, row 0, column 0 of 2 × 2")
    frames = root.locator(".vfe-stage")
    assert explorer.press(frames, "ArrowRight", "ArrowRight")
    assert "That is the digit, in another step." in words.text_content() and root.get_attribute("data-found") == "8"
    assert task.get_attribute("data-done") is None
    root.get_by_label("block 1").check()
    assert "the 16-pixel patch in frames 4 to 5, row 1, column 3" in words.text_content()
    assert task.get_attribute("data-done") == "true" and "Each scale can see it" in task.text_content()
    root.get_by_label("head 1", exact=True).check()
    assert words.text_content().startswith("block 1, head 1:")
    assert explorer.page.evaluate("document.documentElement.scrollWidth") <= width
    assert findings(explorer.page, "[data-explorer]") == []
    root.screenshot(path=album / f"scales-{theme}-{width}.png")


def test_mouse_and_keys_choose_a_patch(show):
    explorer = show(EXPLORER)
    before = explorer.picture()
    explorer.click(7, 0.99, 0.1)  # step 3, row 0, column 7
    assert explorer.changed(before) and explorer.root.get_attribute("data-query") == str(3 * 64 + 7)
    said = explorer.root.locator(".vfe-sentence").text_content()
    explorer.point(0, 0.1, 0.9)
    assert "frames 0 to 1, row 7, column 0" in explorer.root.locator(".vfe-sentence").text_content()
    explorer.page.mouse.move(1, 1)
    assert explorer.root.locator(".vfe-sentence").text_content() == said
    assert explorer.press(explorer.root.locator(".vfe-stage"), "PageUp", "ArrowDown", "ArrowLeft")
    assert explorer.root.get_attribute("data-query") == str(2 * 64 + 8 + 6)
