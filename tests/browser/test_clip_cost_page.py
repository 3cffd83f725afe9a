"""What does my clip cost? On a static page: the guess, the chart, every control, the task; on wide and narrow pages."""

import pytest

from videoformer_edu.widgets import clip_cost_explorer

KEYS = {"published": "ArrowDown", "frames": "ArrowRight", "patch": "ArrowUp", "pixels": "ArrowDown",
        "tubelet": "ArrowDown", "width": "ArrowDown", "blocks": "ArrowDown", "to": "ArrowDown"}


def named(explorer, name):
    """The control with this word beside it."""
    return explorer.root.locator(f'label:has(> span:text-is("{name}")) :is(select, input)')


def test_nothing_is_shown_before_a_guess(show):
    explorer = show(clip_cost_explorer(speed=5e10))
    root, said = explorer.root, explorer.root.locator(".vfe-sentence")
    assert said.text_content().endswith("how many G multiply-adds? Type a guess, then press See.")
    assert root.locator("path.line").count() <= 1  # a limit at most
    box = named(explorer, "your guess")
    box.focus()
    explorer.page.keyboard.type("1000")
    assert "Your guess: 1000. Press See." in said.text_content()
    explorer.page.keyboard.press("Enter")
    assert said.text_content() == ("1,569 tokens: 180 G multiply-adds (3.59 s here), 0.397 GB of memory. "
                                   "You guessed 1,000 G: 5.57 times too much.")
    assert root.locator("path.line").count() >= 3
    root.get_by_role("button").click()
    assert root.locator("path.line").count() <= 1


@pytest.mark.parametrize("seen", [False, True])
def test_every_control_changes_what_is_said_or_drawn(show, seen):
    explorer = show(clip_cost_explorer())
    root = explorer.root
    if seen:
        root.get_by_role("button").click()
    for name, key in KEYS.items():
        assert explorer.press(named(explorer, name), key), name
    for name in ("store the scores", "space only", "memory"):
        assert explorer.press(named(explorer, name), "Space"), name
    assert root.get_attribute("data-memory") == "1"


@pytest.mark.parametrize("width", [1366, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_task_is_done(show, findings, width, theme, album):
    explorer = show(clip_cost_explorer(speed=5e10), width=width, theme=theme)
    root, task = explorer.root, explorer.root.locator(".vfe-task")
    root.screenshot(path=album / f"clip-cost-asked-{theme}-{width}.png")
    root.get_by_role("button").click()
    root.screenshot(path=album / f"clip-cost-work-{theme}-{width}.png")
    named(explorer, "memory").check(force=True)
    root.get_by_role("button").click()
    slider = named(explorer, "frames")
    for _ in range(8):  # to 256
        assert explorer.press(slider, "ArrowRight")
    named(explorer, "to").select_option("1")
    named(explorer, "divided").check(force=True)
    assert task.get_attribute("data-done") is None  # it does not help
    named(explorer, "to").select_option("2")
    assert task.get_attribute("data-done") == "true"
    assert "checkpointing or tubelets did" in task.text_content()
    assert explorer.page.evaluate("document.documentElement.scrollWidth") <= width
    root.screenshot(path=album / f"clip-cost-{theme}-{width}.png")
    assert findings(explorer.page, "[data-explorer]") == []


def test_a_published_model_is_a_dot_in_its_own_setting(show):
    explorer = show(clip_cost_explorer())
    root, published = explorer.root, named(explorer, "published")
    root.get_by_role("button").click()
    names = published.locator("option").all_text_contents()
    assert names[0] == "your own clip" and len(names) == 9
    for i, name in enumerate(names[1:], start=1):
        published.select_option(str(i))
        assert name in root.locator(".vfe-chart").text_content()
    published.select_option(str(names.index("TimeSformer")))
    assert "TimeSformer-HR" not in root.locator(".vfe-chart").text_content()  # of 448 pixels
    assert "TimeSformer-L" in root.locator(".vfe-chart").text_content()  # 96 frames of the same
    named(explorer, "patch").select_option("1")
    assert published.input_value() == "0" and "TimeSformer" not in root.locator(".vfe-chart").text_content()


def test_a_click_on_the_chart_chooses_the_frames(show):
    explorer = show(clip_cost_explorer())
    explorer.root.get_by_role("button").click()
    chart = explorer.root.locator(".vfe-chart")
    box = chart.bounding_box()
    chart.click(position={"x": 0.5 * box["width"], "y": 0.5 * box["height"]})
    assert int(explorer.root.get_attribute("data-frames")) not in (3, 0)
    assert explorer.page.evaluate("[...document.querySelectorAll('line.at')].length") == 1


def test_a_clip_is_as_long_as_its_tubelets(show):
    explorer = show(clip_cost_explorer())
    root = explorer.root
    root.get_by_role("button").click()
    slider = named(explorer, "frames")
    for _ in range(3):
        explorer.press(slider, "ArrowLeft")
    assert root.get_attribute("data-frames") == "0"
    named(explorer, "tubelet").select_option("2")
    assert root.get_attribute("data-frames") == "2"  # 4 frames
    assert root.locator(".vfe-sentence").text_content().startswith("197 tokens")
