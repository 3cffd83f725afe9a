"""The pages that the instructor's grader writes, in Chromium: light, dark, narrow, and for assistive technology."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "classroom"))

from in_process import no_children  # noqa: E402
from made_up_class import small_class  # noqa: E402

from videoformer_edu.classroom.grade_class import main  # noqa: E402


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    for name, data in small_class().items():
        (folder / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "in" / name).write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        no_children(patch)
        assert main([str(folder / "in"), "--out", str(folder / "scores.csv"), "--feedback", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("name", ["scores.html", "03_Learner_O_Quote_104.html", "03_Learner_Comma_106.html"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_by_everybody(name, scheme, pages, browser, findings, album):
    page = browser.new_page()
    errors = []
    page.on("console", lambda message: errors.append(message.text))
    page.emulate_media(color_scheme=scheme)
    for width in (1366, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto((pages / name).as_uri())
        page.screenshot(path=album / f"class_{name}_{scheme}_{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    page.wait_for_function("document.fonts.status === 'loaded'")
    assert findings(page, "main") == []
    assert [error for error in errors if "Content Security" not in error or "axe" not in error] == []
    page.close()
