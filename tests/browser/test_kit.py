"""The parts of the kit in an explorer of the tests' own, in a static page: slider, cube, chart, sentence, task."""

import io
import pathlib

import pytest
from PIL import Image
from touch import finger, tap

from videoformer_edu.figures import new_figure
from videoformer_edu.figures.show import figure_html
from videoformer_edu.widgets import page_explorer
from videoformer_edu.widgets.task import task_words

DEMO = pathlib.Path(__file__).with_name("demo.js")
GRID = (4, 3, 5)
REACHES = [1, 2, 4, 8, 16]
HALVES = [(1366, "light"), (1366, "dark"), (390, "light"), (390, "dark")]


@pytest.fixture
def demo(monkeypatch):
    script = page_explorer.script
    monkeypatch.setattr(page_explorer, "script", lambda name: DEMO.read_text() if name == "demo" else script(name))
    config = {"grid": GRID, "reaches": REACHES, "task": task_words("Make a token see all.", says="That is joint.")}
    return page_explorer.assemble("demo", uses=("cube", "chart"), title="Who sees whom?", config=config,
                                  still="<p>still</p>")


def said(explorer):
    return explorer.root.locator(".vfe-sentence").text_content()


def place_of(explorer, t, row, column):
    """The pixel in the page of the middle of a token."""
    svg = explorer.root.locator(".vfe-cube svg")
    corners = svg.evaluate("""(svg, [t, row, column]) => {
        const frame = svg.querySelectorAll('path[fill-opacity=".1"]')[t].getAttribute('d');
        const [x0, y0, x1, y1, , , x3, y3] = frame.match(/-?[\\d.]+/g).map(Number), box = svg.getBoundingClientRect();
        const scale = box.width / svg.viewBox.baseVal.width;
        return [box.left + scale * (x0 + column * (x1 - x0) + row * (x3 - x0)),
                box.top + scale * (y0 + column * (y1 - y0) + row * (y3 - y0))]; }""",
        [t, (row + 0.5) / GRID[1], (column + 0.5) / GRID[2]])
    return corners


def test_the_slider_moves_by_keys_and_says_its_value(show, demo):
    explorer = show(demo)
    slider = explorer.root.get_by_label("reach")
    assert slider.get_attribute("aria-valuetext") == "1 frames"
    assert explorer.press(slider, "ArrowRight", "ArrowRight")
    assert slider.get_attribute("aria-valuetext") == explorer.root.locator(".vfe-value").text_content() == "4 frames"
    assert explorer.root.get_attribute("data-reach") == "2"
    assert explorer.root.locator(".vfe-chart line.at").count() == 1


def test_a_token_is_pointed_at_chosen_and_walked_from(show, demo):
    explorer = show(demo)
    page, root = explorer.page, explorer.root
    explorer.root.locator(".vfe-stage").scroll_into_view_if_needed()
    before = explorer.picture()
    page.mouse.move(*place_of(explorer, 2, 1, 3))
    assert explorer.changed(before) and root.locator(".vfe-cube .pointed").count() == 1
    assert root.get_attribute("data-query") == "0", "nothing was chosen"
    page.mouse.down()
    page.mouse.up()
    assert root.get_attribute("data-query") == str((2 * 3 + 1) * 5 + 3)
    page.mouse.move(2, 2)
    assert root.locator(".vfe-cube .pointed").count() == 0
    assert said(explorer) == "The token in frame 2, row 1, column 3 sees 15 of 60 tokens."
    page.keyboard.press("ArrowLeft")  # the stage has the focus
    page.keyboard.press("PageDown")
    assert root.get_attribute("data-query") == str((3 * 3 + 1) * 5 + 2)


def test_a_finger_chooses_a_token_and_a_scroll_none(show, demo):
    explorer = show(demo, width=390)
    page, root = explorer.page, explorer.root
    page.set_viewport_size({"width": 390, "height": 400})
    root.locator(".vfe-stage").scroll_into_view_if_needed()
    x, y = place_of(explorer, 3, 2, 4)
    finger(page, "touchStart", (x, y))
    for step in range(1, 6):
        finger(page, "touchMove", (x, y - 30 * step))
        page.wait_for_timeout(20)
    finger(page, "touchEnd")
    page.wait_for_timeout(300)
    assert page.evaluate("scrollY") > 0 and root.get_attribute("data-query") == "0", "a scroll chose a token"
    root.locator(".vfe-cube").evaluate("node => node.scrollIntoView({ block: 'center' })")
    page.wait_for_timeout(200)
    tap(page, *place_of(explorer, 3, 2, 4))
    assert root.get_attribute("data-query") == "59"


def test_a_click_on_the_chart_chooses_along_its_axis(show, demo):
    explorer = show(demo)
    plot = explorer.root.locator(".vfe-chart")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    plot.click(position={"x": box["width"] - 1, "y": 100})
    assert explorer.root.get_attribute("data-reach") == "4"
    plot.click(position={"x": 1, "y": 100})
    assert explorer.root.get_attribute("data-reach") == "0"


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_what_plays_comes_to_its_end_and_is_seen_at_once_without_motion(show, demo, motion):
    explorer = show(demo)
    explorer.page.emulate_media(reduced_motion=motion)
    explorer.root.get_by_role("button", name="play").click()
    first = explorer.root.get_attribute("data-reach")
    assert (first == "4") == (motion == "reduce")
    explorer.page.wait_for_timeout(2100)
    assert explorer.root.get_attribute("data-reach") == "4"


@pytest.mark.parametrize(("width", "theme"), HALVES)
def test_the_task_is_done_and_nothing_serious_is_found(show, demo, findings, album, width, theme):
    explorer = show(demo, width=width, theme=theme)
    root = explorer.root
    places = lambda: root.locator(".vfe-controls, .vfe-stage, .vfe-chart, .vfe-task, .vfe-hint").evaluate_all(  # noqa: E731
        "all => all.map(node => { const box = node.getBoundingClientRect(); return [box.top + scrollY, box.height]; })")
    before = places()
    root.get_by_label("ahead").check()
    root.get_by_label("faint").check()
    assert explorer.press(root.get_by_label("reach"), "ArrowRight", "ArrowRight")
    assert root.locator(".vfe-task").get_attribute("data-done") == "true"
    assert places() == before, "something moved"
    assert explorer.page.evaluate("document.documentElement.scrollWidth") <= width
    root.screenshot(path=album / f"kit-{theme}-{width}.png")
    assert findings(explorer.page, "[data-explorer]") == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_plot_in_a_page_of_its_own_follows_the_system(browser, theme):
    figure = new_figure(100, 40)
    figure.subplots().plot([1, 2])
    page = browser.new_page()
    page.emulate_media(color_scheme=theme)
    page.set_content(figure_html(figure, alt="a line"))
    corner = Image.open(io.BytesIO(page.locator("img").screenshot())).convert("RGB").getpixel((2, 2))
    assert max(corner) < 40 if theme == "dark" else min(corner) > 250
    page.close()
