"""The explorer of the frames' order in a static page: its task, its keys, what plays, what axe-core finds."""

import pytest
import torch

from videoformer_edu.data.motion import DIRECTIONS, motion_batch
from videoformer_edu.widgets import order_explorer

BATCH = motion_batch(2, seed=4)


def answer(clips):
    """As a model that knows: the direction of these frames, the opposite where time runs back."""
    forwards = (clips[:, :, 0] == BATCH.clips[:, :, 0]).flatten(1).all(1)
    backwards = (clips[:, :, 0] == BATCH.clips[:, :, -1]).flatten(1).all(1)
    said = torch.where(forwards, BATCH.direction, torch.where(backwards, BATCH.direction ^ 1, BATCH.direction))
    return 0.92 * torch.eye(8)[said] + 0.01


@pytest.fixture(scope="module")
def explorer_of_order():
    return order_explorer(BATCH, DIRECTIONS, answer, title="Which way does it go?", alt="Eight frames")


def test_the_task_is_done_by_playing_backwards(show, explorer_of_order):
    explorer = show(explorer_of_order)
    root, sentence = explorer.root, explorer.root.locator(".vfe-sentence")
    task = root.locator(".vfe-task")
    true, other = (DIRECTIONS[k] for k in (BATCH.direction[0], BATCH.direction[0] ^ 1))
    assert f"the model says {sentence.text_content().split('the model says ')[1]}" and true in sentence.text_content()
    assert task.get_attribute("data-done") is None
    root.get_by_label("one frame").check(force=True)
    assert task.get_attribute("data-done") is None
    root.get_by_label("backwards").check(force=True)
    assert sentence.text_content().split("the model says ")[1].split(":")[0].endswith(f" {other}")
    assert task.get_attribute("data-done") == "true" and "it is their order" in task.text_content()
    labels = root.locator(".vfe-stage .vfe-label").all_text_contents()
    assert labels == [f"t{i}" for i in range(7, -1, -1)]


def test_keys_clicks_and_shuffles_change_what_is_shown(show, explorer_of_order):
    explorer = show(explorer_of_order)
    root, stage = explorer.root, explorer.root.locator(".vfe-stage")
    assert explorer.press(stage, "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowLeft")
    assert root.get_attribute("data-frame") == "7", "it goes round"
    explorer.click(3, 0.5, 0.5)
    assert root.get_attribute("data-frame") == "3"
    assert root.get_by_text("another shuffle").is_hidden()
    root.get_by_label("shuffled").check(force=True)
    before = root.locator(".vfe-stage .vfe-label").all_text_contents()
    root.get_by_text("another shuffle").click()
    after = root.locator(".vfe-stage .vfe-label").all_text_contents()
    assert before != after and sorted(before) == sorted(after) == [f"t{i}" for i in range(8)]


def test_every_control_has_a_name_and_moves(show, explorer_of_order):
    explorer = show(explorer_of_order)
    controls = explorer.controls()
    assert [name for name, _ in controls][:4] == ["clip", "▶ play", "as filmed", "backwards"]
    for name, control in controls:
        assert name and explorer.move(control), f"{name} changed nothing"


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_it_plays_when_it_is_asked_to(show, explorer_of_order, motion):
    explorer = show(explorer_of_order)
    explorer.page.emulate_media(reduced_motion=motion)
    before = explorer.picture()
    explorer.page.wait_for_timeout(400)
    assert explorer.picture() == before, "nothing moves by itself"
    explorer.root.get_by_role("button", name="play").click()
    if motion == "reduce":
        assert explorer.root.get_attribute("data-frame") == "7"
    explorer.page.wait_for_function("root => root.dataset.frame === '7'", arg=explorer.root.element_handle())


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1366, 390])
def test_nothing_serious_is_found(show, explorer_of_order, findings, album, width, theme):
    explorer = show(explorer_of_order, width=width, theme=theme)
    assert findings(explorer.page, "[data-explorer]") == []
    assert explorer.page.evaluate("document.documentElement.scrollWidth") <= width
    explorer.root.screenshot(path=album / f"order-{width}-{theme}.png")
