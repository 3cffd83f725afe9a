"""When did it learn the axis, when the sign? The task done by keyboard and pointer; both themes, two widths."""

import pytest

from videoformer_edu.training.runs import recorded_run
from videoformer_edu.widgets import learning_explorer

VIEWS = [(1366, "light"), (1366, "dark"), (390, "light"), (390, "dark")]


@pytest.mark.parametrize(("width", "theme"), VIEWS)
def test_the_task_is_done(show, findings, album, width, theme):
    run = recorded_run("checkpoints")
    explorer = show(learning_explorer(run), width=width, theme=theme)
    root, task = explorer.root, explorer.root.locator(".vfe-task")
    slider = root.get_by_role("slider", name="step")
    wanted = {what: next(i for i, share in enumerate(run[what]) if share >= 0.95) for what in ("axis", "sign")}
    at = 0
    for what in ("axis", "sign"):
        assert explorer.press(slider, *["ArrowRight"] * (wanted[what] - at))
        at = wanted[what]
        assert f"After {run['steps'][at]} steps" in root.locator(".vfe-sentence").text_content()
        assert task.get_attribute("data-done") is None
        root.get_by_role("button", name=f"the {what} is known").click()
        root.screenshot(path=album / f"learning-{what}-{theme}-{width}.png")
    assert task.get_attribute("data-done") == "true"
    assert explorer.page.evaluate("document.documentElement.scrollWidth") <= width
    assert findings(explorer.page, "[data-explorer]") == []


def test_a_click_in_the_chart_chooses_a_checkpoint_and_training_plays(show):
    explorer = show(learning_explorer(recorded_run("checkpoints")))
    root, plot = explorer.root, explorer.root.locator(".vfe-chart")
    before = root.locator("canvas").first.evaluate("(canvas) => canvas.toDataURL()")
    plot.click(position={"x": plot.bounding_box()["width"] / 2, "y": 120})
    assert 10 < int(root.get_attribute("data-at")) < 25
    assert root.locator("canvas").first.evaluate("(canvas) => canvas.toDataURL()") != before
    root.get_by_role("button", name="train").click()
    explorer.page.wait_for_function("document.querySelector('[data-explorer]').dataset.at === '30'")
