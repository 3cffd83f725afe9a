"""Where did time come in: the task done by keyboard and mouse; both themes, two widths."""

import numpy as np
import pytest
import torch

from videoformer_edu.attention.patterns import Full, Spatial
from videoformer_edu.attention.reach import reach
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets import mixing_explorer

GRID = Grid(4, 3, 4)
FRAMES = np.random.default_rng(1).integers(0, 90, (8, 24, 32, 3), np.uint8)


def changes():
    generator = torch.Generator().manual_seed(5)

    def sizes(heard):
        return heard.double() * (0.05 + torch.rand(heard.shape, generator=generator, dtype=torch.float64))

    return {name: {"tubelets": sizes(torch.eye(GRID.l)), "block 0": sizes(reach(pattern, GRID)),
                   "block 1": sizes(reach(pattern, GRID)), "answer": sizes(torch.ones(1, GRID.l))}
            for name, pattern in (("model 1", Full()), ("model 2", Spatial()))}


EXPLORER = mixing_explorer(FRAMES, changes(), GRID, start=(1, 1, 2), alt="Eight frames")


@pytest.mark.parametrize("width", [1366, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_task_is_done(show, findings, width, theme, album):
    explorer = show(EXPLORER, width=width, theme=theme)
    root, words, task = (explorer.root, explorer.root.locator(".vfe-sentence"), explorer.root.locator(".vfe-task"))
    stage = root.get_by_label("stage")
    assert words.text_content() == (
        "model 1, block 0: the token in frames 2 to 3, row 1, column 2 has heard of 48 of 48 tubelets, "
        "from 4 of 4 steps.")
    assert explorer.press(stage, "ArrowRight", "ArrowRight")
    assert task.get_attribute("data-done") is None, "the other model's answer is no answer"
    root.get_by_label("model 2").check()
    assert task.get_attribute("data-done") is None, "it has not been seen before the answer"
    assert explorer.press(stage, "ArrowLeft")
    assert "has heard of 12 of 48 tubelets, all of its own step" in words.text_content()
    root.screenshot(path=album / f"mixing-before-{theme}-{width}.png")
    assert explorer.press(stage, "ArrowRight")
    assert task.get_attribute("data-done") == "true" and "Time came in last" in task.text_content()
    assert explorer.page.evaluate("document.documentElement.scrollWidth") <= width
    assert findings(explorer.page, "[data-explorer]") == []
    root.screenshot(path=album / f"mixing-done-{theme}-{width}.png")


def test_mouse_and_keys_choose_a_token(show):
    explorer = show(EXPLORER)
    before = explorer.picture()
    explorer.click(5, 0.1, 0.9)  # step 2, row 2, column 0
    assert explorer.changed(before) and explorer.root.get_attribute("data-query") == str((2 * 3 + 2) * 4)
    frames = explorer.root.locator(".vfe-stage")
    assert explorer.press(frames, "ArrowUp", "ArrowRight", "PageUp")
    assert explorer.root.get_attribute("data-query") == str((1 * 3 + 1) * 4 + 1)
    said = explorer.root.locator(".vfe-sentence").text_content()
    explorer.point(0, 0.9, 0.1)
    assert "frames 0 to 1, row 0, column 3" in explorer.root.locator(".vfe-sentence").text_content()
    explorer.page.mouse.move(1, 1)
    assert explorer.root.locator(".vfe-sentence").text_content() == said
