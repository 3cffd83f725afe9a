"""The attention explorer in a page without kernel or notebook: mouse, finger, keys, sizes, themes, names, its task."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from controls import PICTURE
from PIL import Image
from touch import finger, tap

from videoformer_edu.tokens import Grid
from videoformer_edu.widgets import ShownMap, Task, attention_explorer

T, H, W, HEADS = 8, 4, 4, 3
L = T * H * W



def shares(heads, queries, grid, seed):
    generator = torch.Generator().manual_seed(seed)
    l = grid[0] * grid[1] * grid[2]  # noqa: E741
    return (4 * torch.randn(heads, queries, l + 1, generator=generator)).softmax(-1)[:, :, 1:].unflatten(-1, grid)


MAPS = {"block 0 · joint": ShownMap(shares(HEADS, L + 1, (T, H, W), 0), Grid(T, H, W)),
        "block 1 · pooled, of a name longer than any": ShownMap(shares(1, 1 * 8 * 6, (4, 2, 2), 1), Grid(1, 8, 6)),
        "block 2 · joint": ShownMap(shares(2, L + 1, (T, H, W), 2), Grid(T, H, W))}
FRAMES = np.random.default_rng(0).integers(0, 90, (T, 32, 32, 3), np.uint8)
MEAN = MAPS["block 0 · joint"].shares.mean(0).flatten(1)  # (1 + l, l)
START = (3, 1, 2)
ASKED = (3 * H + 1) * W + 2


def task_cells() -> torch.Tensor:
    """What patch (1, 0, 3) looks most at in the mean of the first map, and nothing else."""
    cells = torch.zeros(L, dtype=torch.bool)
    cells[MEAN[1 + (1 * H + 0) * W + 3].argmax()] = True
    return cells.unflatten(0, (T, H, W))


TASK = Task("Find the patch.", task_cells(), "That was it.", other_frame=True)
EXPLORER = attention_explorer(FRAMES, MAPS, title="Who sees whom?", alt="Eight frames", start=START, task=TASK)


def words(explorer):
    return explorer.root.locator(".vfe-sentence").text_content()


def percents(text):
    return [float(number) for number in re.findall(r"([\d.]+) %", text)]


def pixels(canvas) -> np.ndarray:
    data = canvas.evaluate("c => c.toDataURL().split(',')[1]")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def test_pointing_tries_a_patch_and_leaving_restores(show):
    explorer = show(EXPLORER)
    page, root = explorer.page, explorer.root
    before, said = explorer.picture(), words(explorer)
    explorer.point(5, 0.9, 0.3)  # row 1, column 3
    assert explorer.changed(before)
    assert words(explorer).startswith("The patch in frame 5, row 1, column 3 looks most at ")
    assert root.get_attribute("data-query") == str(ASKED), "nothing was chosen"
    here = MEAN[1 + ASKED, (5 * H + 1) * W + 3].item()
    assert words(explorer).endswith(" here.") and abs(percents(words(explorer))[-1] - 100 * here) < 0.6
    assert root.locator(".vfe-sentence").get_attribute("aria-live") == "off"
    page.mouse.move(1, 1)
    assert words(explorer) == said and explorer.picture() == before
    explorer.click(5, 0.9, 0.3)
    assert root.get_attribute("data-query") == str((5 * H + 1) * W + 3)
    assert root.locator(".vfe-sentence").get_attribute("aria-live") == "polite"


def test_amber_covers_what_is_looked_at_and_nothing_else(show):
    """Opacity follows the share: .92 at the top, none at zero, so an unseen frame is the frame itself."""
    looks = torch.zeros(1, 2 * 4, 2, 2, 2)
    looks[0, 7, 0, 0, 1], looks[0, 7, 0, 1, 0], looks[0, 7, 1, 1, 1] = 0.5, 0.25, 0.25  # the query covers its own patch
    frames = np.full((2, 20, 20, 3), 120, np.uint8)
    explorer = show(attention_explorer(frames, {"a": looks}, title="Where?", alt="grey", start=(1, 1, 1)))
    first, second = (pixels(explorer.frame(i)) for i in (0, 1))
    size = first.shape[0]
    patch = lambda picture, row, column: picture[  # noqa: E731
        round((row / 2 + 0.05) * size), round((column / 2 + 0.06) * size)]
    amber = np.array([230, 159, 0])
    for row, column, share in ((0, 0, 0), (0, 1, 1), (1, 0, 0.5)):
        expected = 0.92 * share * amber + (1 - 0.92 * share) * 120
        assert np.abs(patch(first, row, column) - expected).max() <= 2, (row, column)
    assert np.abs(patch(second, 0, 0) - 120).max() <= 1
    blue = (second == (0x00, 0x72, 0xB2)).all(-1)
    assert np.abs(np.argwhere(blue).mean(0) / size - 0.75).max() < 0.02, "the query's blue core"
    assert first[size // 4, 3 * size // 4].tolist() == [255] * 3, "a white dot on the largest share"
    assert explorer.root.locator(".vfe-top").text_content() == "50 %"


def test_one_scale_for_all_is_stated(show):
    explorer = show(EXPLORER)
    root, before = explorer.root, explorer.picture()
    stated = lambda: percents(root.locator(".vfe-top").text_content())[0]  # noqa: E731
    assert stated() == pytest.approx(100 * MEAN[1 + ASKED].max().item(), abs=0.6)
    root.get_by_label("same scale for all").check()
    assert explorer.changed(before)
    largest = max(m.shares.max().item() for m in MAPS.values())
    for number in range(len(MAPS)):
        root.locator("select").select_option(str(number))
        assert stated() == pytest.approx(100 * largest, abs=0.6)


def test_heads_are_small_maps_to_choose_from(show):
    explorer = show(EXPLORER)
    names = explorer.root.locator(".vfe-pictures label:visible").all_text_contents()
    assert names == ["mean", "head 0", "head 1", "head 2"]
    pictures = explorer.root.locator(".vfe-pictures canvas").evaluate_all("all => all.map(c => c.toDataURL())")
    assert len(set(pictures)) == 4
    for head in range(HEADS):
        explorer.root.get_by_label(f"head {head}").check()
        shown = MAPS["block 0 · joint"].shares[head, 1 + ASKED].flatten()
        best = shown.argmax().item()
        assert f"looks most at frame {best // 16}, row {best // 4 % 4}, column {best % 4}" in words(explorer)
        assert explorer.root.get_attribute("data-head") == str(head)
    explorer.root.locator("select").select_option("1")
    assert explorer.root.locator(".vfe-pictures label:visible").all_text_contents() == ["one map"]


def test_altgr_and_page_keys_move_to_other_frames(show):
    explorer = show(EXPLORER)
    stage = explorer.root.locator(".vfe-stage")
    press = """(node, [key, altgraph]) => node.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true,
        ctrlKey: true, altKey: true, modifierAltGraph: altgraph}))"""
    frame = lambda: int(explorer.root.get_attribute("data-query")) // (H * W)  # noqa: E731
    stage.evaluate(press, ["]", True])
    assert frame() == 4
    stage.evaluate(press, ["[", True])
    stage.evaluate(press, ["[", True])
    assert frame() == 2
    stage.evaluate(press, ["]", False])
    assert frame() == 2, "Ctrl and Alt without AltGr belong to somebody else"
    assert explorer.press(stage, "PageDown", "PageDown", "PageUp") and frame() == 3


def test_a_finger_chooses_at_its_release_and_a_scroll_chooses_nothing(show):
    explorer = show(EXPLORER, width=390)
    page, root = explorer.page, explorer.root
    explorer.frame(2).scroll_into_view_if_needed()
    box = explorer.frame(2).bounding_box()
    at = (box["x"] + 0.9 * box["width"], box["y"] + 0.6 * box["height"])  # row 2, column 3

    finger(page, "touchStart", at)
    page.wait_for_timeout(50)
    assert root.get_attribute("data-query") == str(ASKED), "chosen before the release"
    for step in range(1, 6):
        finger(page, "touchMove", (at[0], at[1] - 30 * step))
        page.wait_for_timeout(20)
    finger(page, "touchEnd")
    page.wait_for_timeout(300)
    assert page.evaluate("scrollY") > 0 and root.get_attribute("data-query") == str(ASKED), "a scroll chose a patch"

    box = explorer.frame(2).bounding_box()
    tap(page, box["x"] + 0.9 * box["width"], box["y"] + 0.6 * box["height"])
    assert root.get_attribute("data-query") == str((2 * H + 2) * W + 3)


@pytest.mark.parametrize("width", [1280, 720, 390])
def test_nothing_moves_when_something_else_is_chosen(show, width):
    explorer = show(EXPLORER, width=width)
    root = explorer.root
    places = lambda: root.locator(".vfe-controls, .vfe-stage, .vfe-legend, .vfe-task, .vfe-hint").evaluate_all(  # noqa: E731
        "all => all.map(node => { const box = node.getBoundingClientRect(); return [box.top + scrollY, box.height]; })")
    before = places()
    for number in range(len(MAPS)):
        root.locator("select").select_option(str(number))
        for direction in ("who looks here", "where does it look"):
            root.get_by_label(direction).check()
            explorer.click(7, 0.9, 0.9)
            explorer.point(0, 0.1, 0.1)
            root.locator(".vfe-cls").click()
            assert places() == before, (number, direction)


@pytest.mark.parametrize(("width", "columns"), [(1280, 4), (720, 4), (600, 3), (500, 2), (390, 2), (330, 2)])
def test_frames_are_large_and_two_abreast_on_a_phone(show, width, columns):
    explorer = show(EXPLORER, width=width)
    boxes = [explorer.frame(i).bounding_box() for i in range(T)]
    assert sum(box["y"] == boxes[0]["y"] for box in boxes) == columns
    if width >= 390:
        assert boxes[0]["width"] >= (170 if width == 1280 else 160)
    assert boxes[0]["width"] / W >= 24, "a patch is a target"
    assert explorer.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_picture_alone_is_large(show):
    explorer = show(attention_explorer(FRAMES[:1], {"a": shares(2, 16, (1, 4, 4), 0)}, title="Where?", alt="One frame"))
    assert 320 <= explorer.frame(0).bounding_box()["width"] <= 400
    assert words(explorer).startswith("The patch in row 0, column 0 looks most at row ")


def test_the_task_is_recognised_when_it_is_done(show):
    explorer = show(EXPLORER)
    task = explorer.root.locator(".vfe-task")
    assert task.text_content() == "☐ Task: Find the patch."
    explorer.click(0, 0.1, 0.1)
    explorer.point(1, 0.9, 0.1)  # the solution, only pointed at
    assert task.text_content() == "☐ Task: Find the patch."
    explorer.click(1, 0.9, 0.1)
    done = f"☑ Task done. {words(explorer)} That was it."
    assert task.text_content() == done and task.get_attribute("aria-live") == "polite"
    explorer.click(0, 0.1, 0.1)
    assert task.text_content() == done, "done stays done"


def test_two_explorers_on_a_page_share_nothing(show):
    other = attention_explorer(FRAMES, MAPS, title="And here?", alt="Eight frames", start=START)
    explorer = show(EXPLORER, other, EXPLORER)
    page, pictures = explorer.page, explorer.page.locator("[data-explorer]")
    assert page.locator(".vfe-live").count() == 3
    before = [pictures.nth(i).evaluate(PICTURE) for i in range(3)]
    pictures.nth(2).get_by_label("head 1").check()
    assert pictures.nth(2).evaluate(PICTURE) != before[2]
    assert [pictures.nth(i).evaluate(PICTURE) for i in (0, 1)] == before[:2]
    assert [pictures.nth(i).get_by_label("mean").is_checked() for i in range(3)] == [True, True, False]
    assert page.evaluate("['kit', 'numbers', 'attention'].filter(name => name in window)") == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1366, 390])
def test_no_serious_finding_of_axe(show, findings, theme, width, album):
    explorer = show(EXPLORER, width=width, theme=theme)
    explorer.click(1, 0.9, 0.1)  # with the task done
    explorer.root.screenshot(path=album / f"static-{theme}-{width}.png")
    assert findings(explorer.page, "[data-explorer]") == []


def test_every_control_is_named_by_its_words(show):
    """As assistive technology hears it: each visible word is in the name."""
    explorer = show(EXPLORER)
    tree = explorer.root.aria_snapshot()
    for line in ('group "Who sees whom?"', 'combobox "attention"', 'group "direction"',
                 'radio "where does it look" [checked]', 'radio "who looks here"', 'group "head"',
                 'radio "mean" [checked]', 'radio "head 0"', 'checkbox "same scale for all"',
                 'application "Frames: arrow keys choose a patch, page keys a frame"'):
        assert line in tree, tree
    share = re.search(r'button "(CLS · \d+ %)"', tree)
    assert share and explorer.root.locator(".vfe-cls").text_content() == share[1]


def test_it_is_used_by_keyboard_alone(show):
    """Tab reaches every control in the order of the page, and what has the focus is outlined."""
    explorer = show(EXPLORER)
    page = explorer.page
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        outlined = page.evaluate("""() => { const node = document.activeElement;
            const drawn = node.type === 'radio' ? node.closest('label') : node;
            return getComputedStyle(drawn).outlineStyle !== 'none' && getComputedStyle(drawn).outlineWidth; }""")
        assert outlined and outlined != "0px"
        reached.append(page.evaluate("document.activeElement.type || document.activeElement.getAttribute('role')"))
    assert reached == ["select-one", "radio", "button", "radio", "application", "checkbox"]


def test_nothing_moves_by_itself(show):
    explorer = show(EXPLORER)
    explorer.page.emulate_media(reduced_motion="reduce")
    moving = explorer.root.evaluate("""root => root.getAnimations({subtree: true}).length
        + [...root.querySelectorAll('*')].filter(node => getComputedStyle(node).transitionDuration !== '0s').length""")
    assert moving == 0


@pytest.mark.parametrize("width", [1366, 500, 430, 390])
def test_no_number_stands_apart_from_its_percent_sign(show, width):
    explorer = show(EXPLORER, width=width)
    numbers = explorer.root.locator(".vfe-sentence .vfe-number")
    for frame in (0, 3, 6, 7):
        for x in (0.1, 0.4, 0.9):
            explorer.click(frame, x, 0.6)
            assert numbers.count() == words(explorer).count("%") > 0
            assert numbers.evaluate_all("all => all.map(node => node.getClientRects().length)") == [1] * numbers.count()
