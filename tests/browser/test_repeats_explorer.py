"""Which patches repeat: the task done by keyboard, what the replay shows, the package's numbers; both themes."""

import pytest

from videoformer_edu.run_length import run_lengths
from videoformer_edu.widgets import repeats_explorer
from videoformer_edu.widgets.repeats_explorer import CLIPS, GRID, START, THRESHOLDS, kept, real_clip

VIEWS = [(1366, "light"), (390, "dark")]


@pytest.mark.parametrize(("width", "theme"), VIEWS)
def test_the_task_is_done(show, findings, album, width, theme):
    explorer = show(repeats_explorer(), width=width, theme=theme)
    root, page = explorer.root, explorer.page
    words, task, threshold = root.locator(".vfe-sentence"), root.locator(".vfe-task"), root.get_by_label("threshold")
    assert words.text_content() == ("764 of 2,304 tokens are kept, 67 % are saved. Row 6, column 9: 6 tokens, "
                                    "which stand for 1 + 1 + 1 + 1 + 1 + 7 frames.")
    assert "23.8 grey levels off" in root.locator("p.vfe-legend").text_content()
    root.screenshot(path=album / f"repeats-start-{theme}-{width}.png")
    assert task.get_attribute("data-done") is None, "enough is saved, but small changes have added up"
    assert explorer.press(threshold, "ArrowLeft", "ArrowLeft", "ArrowLeft")
    assert task.get_attribute("data-done") is None, "near enough to the truth, but too many are kept"
    root.get_by_label("with the patch kept last").check()
    assert explorer.press(threshold, *["ArrowRight"] * 5)
    assert task.get_attribute("data-done") == "true"
    assert "no patch is more than" in task.text_content() and "add up" in task.text_content()
    root.get_by_label("what the tokens say").check()
    assert root.get_attribute("data-view") == "1"
    root.screenshot(path=album / f"repeats-done-{theme}-{width}.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert findings(page, "[data-explorer]") == []


def test_the_page_says_what_the_package_counts(show, album):
    explorer = show(repeats_explorer())
    root, words = explorer.root, explorer.root.locator(".vfe-sentence")
    stage = root.locator(".vfe-stage")
    assert explorer.press(stage, "ArrowDown", "ArrowLeft", "ArrowLeft")
    assert root.get_attribute("data-place") == str(7 * GRID.w + 7)
    for index, (name, clip) in enumerate(CLIPS.items()):
        root.get_by_label(name).check()
        keep = kept(real_clip(*clip), THRESHOLDS[START])
        lengths = run_lengths(keep)[0, :, 7, 7].tolist()
        runs = [str(length) for length in lengths if length]
        assert words.text_content().startswith(f"{int(keep.sum()):,} of 2,304 tokens are kept, "), index
        assert f"Row 7, column 7: {len(runs)} token" in words.text_content()
        assert f" for {' + '.join(runs)} frames." in words.text_content()
        root.screenshot(path=album / f"repeats-clip-{index}.png")
    explorer.time(root.get_by_label("threshold"), *["ArrowLeft", "ArrowRight"] * 3)
