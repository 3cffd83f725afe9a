"""Explorers in a small notebook of their own, moved as a person would move them."""

import io
import json

import nbformat
import numpy as np
import pytest
from controls import explorers
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from notebook import Notebook
from PIL import Image

CLIP = """
import numpy as np, torch
from videoformer_edu.widgets import attention_explorer
t, h, w, heads = 3, 2, 4, 2
torch.manual_seed(0)
frames = torch.randint(0, 255, (t, 1, 1, 3)).expand(t, 16, 32, 3).byte().numpy()
shares = lambda: (3 * torch.randn(heads, 25, 25)).softmax(-1)[:, :, 1:].unflatten(-1, (t, h, w))
maps = {"one": shares(), "two": shares()}
maps["no CLS"] = torch.eye(24).unflatten(-1, (t, h, w))[None]
"""
GRIDS = """
from videoformer_edu.tokens import Grid
from videoformer_edu.widgets import ShownMap
pooled = torch.zeros(1, 2 * 2 * 2, 4, 2, 4)  # two steps of 2 x 2 queries; keys in four frames of 2 x 4
pooled[0, 5, 3, 1, 2] = 1  # step 1, row 0, column 1 looks at frame 3, row 1, column 2
coarse = torch.zeros(1, 32, 2, 1, 2)
coarse[0, 21, 1, 0, 0] = 1  # frame 2, row 1, column 1 looks at step 1, row 0, column 0
attention_explorer(np.zeros((4, 16, 32, 3), np.uint8),
                   {"pooled": ShownMap(pooled, Grid(2, 2, 2)), "coarse": ShownMap(coarse, Grid(4, 2, 4))},
                   title="Grids?", alt="Three frames", start=(1, 0, 1))
"""
SHOW = 'attention_explorer(frames, maps, title="{title}?", alt="Three frames", start=(1, 0, 2))'


PLOTS = """
import numpy as np
from videoformer_edu.figures import new_figure, show, show_image
pixels = np.full((30, 40, 3), (200, 90, 30), np.uint8)
for picture, name in ((np.zeros((3, 4)), "numbers"), (pixels, "pixels")):
    figure = new_figure(100, 40)
    figure.subplots().imshow(picture)
    show(figure, alt=f"A figure of {name}")
show_image(pixels, alt="Pixels alone")
"""


TITLES = ("Keys", "Words", "CLS", "Twice", "Twice", "Dark", "Grids")
NUMBERS = "import json; print(json.dumps({k: m.double().mean(0).flatten(1).tolist() for k, m in maps.items()}))"


@pytest.fixture(scope="module")
def notebook(lab, browser):
    """One notebook with an explorer for each test, run from its menu."""
    cells = [CLIP, *(SHOW.format(title=title) for title in TITLES[:-1]), GRIDS, NUMBERS, PLOTS]
    written = new_notebook(cells=[new_markdown_cell("# A test"), *map(new_code_cell, cells)])
    written.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(written, lab.folder / "explorers.ipynb")
    opened = Notebook(browser.new_page(), lab, "explorers.ipynb")
    opened.run_all()
    opened.look_at_everything()
    yield opened
    opened.close()


@pytest.fixture
def find(notebook, latencies):
    """The page explorers of one title; afterwards nothing may have gone wrong on the page."""

    def find_(title):
        return [explorer for explorer in explorers(notebook.page, "test", latencies)
                if explorer.root.get_attribute("id") == f"attention-{title.lower()}"]

    yield find_
    assert_clean(notebook)


def assert_clean(notebook):
    assert notebook.failed() == []
    assert notebook.broken() == []
    assert notebook.console == []
    assert notebook.foreign == []


def test_page_explorer(find, album):
    (explorer,) = find("Keys")
    root, page = explorer.root, explorer.page
    stage, sentence = root.locator(".vfe-stage"), root.locator(".vfe-sentence")
    asked = lambda: int(root.get_attribute("data-query"))  # noqa: E731

    assert root.locator(".vfe-still").is_hidden() and stage.locator("canvas").count() == 3
    assert asked() == (1 * 2 + 0) * 4 + 2
    assert sentence.text_content().startswith("The patch in frame 1, row 0, column 2 looks most at ")
    assert explorer.press(stage, "ArrowRight", "ArrowDown", "PageUp", "]", "[")
    assert asked() == (0 * 2 + 1) * 4 + 3
    for key in ("ArrowRight", "ArrowDown", "PageUp"):  # the end of the row, of the column, of the clip
        page.keyboard.press(key)
    assert asked() == (0 * 2 + 1) * 4 + 3
    explorer.time(stage, *["ArrowLeft", "ArrowUp", "PageDown", "ArrowRight", "ArrowDown", "PageUp"] * 2)

    before = explorer.picture()
    explorer.click(2, 1.5 / 4, 0.5 / 2)
    assert explorer.changed(before) and asked() == (2 * 2 + 0) * 4 + 1
    assert sentence.text_content().startswith("The patch in frame 2, row 0, column 1 ")
    assert explorer.press(stage, "ArrowRight"), "a click leaves the keys with the picture"
    root.screenshot(path=album / "explorer-page.png")

    names = [name.split(":")[0].split(" ·")[0] for name, _ in explorer.controls()]
    assert names == ["attention", "where does it look", "who looks here", "CLS", "mean", "head 0", "head 1", "Frames",
                     "same scale for all"]
    for name, control in explorer.controls():
        assert explorer.move(control), f"{name} changed nothing"


def test_page_explorer_says_what_the_kernel_computed(find, notebook):
    """The sentence and the shares of the frames in both directions, against the numbers that Python prints."""
    (explorer,) = find("Words")
    table = json.loads(next(text for text in notebook.outputs().all_text_contents() if text.startswith("{")))
    root = explorer.root
    for number, (name, rows) in enumerate(table.items()):
        root.locator("select").first.select_option(str(number))
        cls = len(rows) - 24
        for q in range(24):
            explorer.click(q // 8, (q % 4 + 0.5) / 4, (q // 4 % 2 + 0.5) / 2)
            compare(root, q, "looks most at ", ": ", rows[q + cls], 1 - sum(rows[q + cls]), name)
        root.get_by_label("who looks here").check()
        for k in range(24):
            explorer.click(k // 8, (k % 4 + 0.5) / 4, (k // 4 % 2 + 0.5) / 2)
            column = [row[k] for row in rows]
            compare(root, k, "is looked at most by ", "which gives it ", column[cls:], sum(column[:cls]), name)
        root.get_by_label("where does it look").check()


def compare(root, asked, verb, before_share, shares, of_cls, name):
    """What stands on the page of the patch `asked`, with the shares (of 24 patches, and of CLS) that Python has."""
    place = lambda k: f"frame {k // 8}, row {k // 4 % 2}, column {k % 4}"  # noqa: E731
    best = max(range(24), key=shares.__getitem__)
    words = root.locator(".vfe-sentence").text_content()
    assert words.startswith(f"The patch in {place(asked)} {verb}{place(best)}"), name
    assert abs(float(words.split(before_share)[1].split(" %")[0]) - 100 * shares[best]) <= 0.7
    total = sum(shares) + of_cls
    percents = [int(text.split("· ")[1].removesuffix(" %")) for text in root.locator(".vfe-label").all_text_contents()]
    for i, percent in enumerate(percents):
        assert abs(percent - 100 * sum(shares[8 * i:8 * i + 8]) / total) < 1.2
    rest = root.locator(".vfe-cls").text_content()
    assert sum(percents) + int((rest.split("· ") + ["0 %"])[1].removesuffix(" %")) == 100


def test_cls_looks_and_says_where_it_takes_no_part(find, notebook):
    (explorer,) = find("CLS")
    cells = len(notebook.cells())
    stage, sentence = explorer.root.locator(".vfe-stage"), explorer.root.locator(".vfe-sentence")
    assert explorer.press(stage, "c")
    assert sentence.text_content().startswith("CLS looks most at frame ")
    assert explorer.root.locator(".vfe-cls").get_attribute("aria-pressed") == "true"
    explorer.root.get_by_label("who looks here").check()
    assert sentence.text_content().startswith("CLS is looked at most by frame ")
    explorer.root.get_by_label("where does it look").check()
    explorer.root.locator("select").first.select_option("2")
    assert sentence.text_content() == "CLS takes no part in this attention (no CLS); choose a patch."
    assert explorer.press(stage, "c")
    assert sentence.text_content() == (
        "The patch in frame 1, row 0, column 2 looks most at frame 1, row 0, column 2 (itself): 100 %.")
    explorer.page.keyboard.press("x")  # would cut the cell
    assert len(notebook.cells()) == cells, "a key meant for the explorer reached the notebook"


def test_queries_and_keys_may_lie_on_grids_of_their_own(find):
    (explorer,) = find("Grids")
    root, select = explorer.root, explorer.root.locator("select").first
    said, labels = root.locator(".vfe-sentence"), root.locator(".vfe-label")
    looks = "The patch in frames 2 to 3, row 0, column 1 looks most at frame 3, row 1, column 2 of 2 × 4: 100 %."
    assert said.text_content() == looks
    assert labels.all_text_contents() == ["t0 · 0 %", "t1 · 0 %", "t2 · 0 %", "t3 · 100 %"]
    root.get_by_label("who looks here").check()  # the same place, on the grid of the keys
    assert root.get_attribute("data-query") == str((3 * 2 + 0) * 4 + 3)
    explorer.click(3, 2.5 / 4, 1.5 / 2)
    assert said.text_content() == ("The patch in frame 3, row 1, column 2 is looked at most by frames 2 to 3, row 0, "
                                   "column 1 of 2 × 2, which gives it 100 %.")
    assert labels.all_text_contents() == ["t0 to t1 · 0 %", "t0 to t1 · 0 %", "t2 to t3 · 100 %", "t2 to t3 · 100 %"]
    root.get_by_label("where does it look").check()
    explorer.click(2, 1.5 / 2, 0.5 / 2)
    assert said.text_content() == looks
    select.select_option("1")  # the patch under the middle of the one that looked
    assert root.get_attribute("data-query") == str((3 * 2 + 0) * 4 + 3)
    assert said.text_content() == (
        "The patch in frame 3, row 0, column 3 takes no part in this attention (coarse); choose another patch.")
    explorer.click(2, 1.5 / 4, 1.5 / 2)
    assert said.text_content() == (
        "The patch in frame 2, row 1, column 1 looks most at frames 2 to 3, row 0, column 0 of 1 × 2: 100 %.")
    select.select_option("0")
    assert root.get_attribute("data-query") == str((1 * 2 + 1) * 2 + 0)


def test_shown_twice_both_live_and_apart(find):
    first, second = find("Twice")
    before = second.picture()
    assert first.picture() == before
    assert first.press(first.root.locator(".vfe-stage"), "ArrowRight")
    assert second.picture() == before
    assert second.press(second.root.locator(".vfe-stage"), "ArrowLeft")


def test_no_serious_finding_of_axe_in_the_notebook(notebook, findings):
    assert findings(notebook.page, ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea-output") == []


@pytest.fixture
def dark(notebook):
    change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme: `JupyterLab ${theme}`})"
    notebook.page.evaluate(change, "Dark")
    notebook.page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    yield
    notebook.page.evaluate(change, "Light")
    notebook.page.wait_for_function("() => document.body.dataset.jpThemeLight === 'true'")


def test_explorers_are_readable_in_the_dark(find, dark, album):
    (explorer,) = find("Dark")
    brightness = """node => { const [r, g, b] = getComputedStyle(node).color.match(/\\d+/g).map(Number);
        return (r + g + b) / 3; }"""
    for place in (".vfe-title", ".vfe-sentence", ".vfe-label", "select"):
        assert explorer.root.locator(place).first.evaluate(brightness) > 150, f"{place} is dark on dark"
    explorer.root.locator(".vfe-stage").focus()
    explorer.root.screenshot(path=album / "explorer-page-dark.png")


ALTS = {"A figure of numbers", "A figure of pixels", "Pixels alone"}


def colours(notebook, alt) -> tuple[np.ndarray, np.ndarray]:
    """What a picture has on the page in its corner and in its middle."""
    picture = notebook.page.locator(".jp-NotebookPanel:visible").locator(f'img[alt="{alt}"]')
    pixels = np.asarray(Image.open(io.BytesIO(picture.screenshot())).convert("RGB")).astype(int)
    return pixels[2, 2], pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]


def test_plots_follow_the_theme_of_jupyterlab_and_not_the_systems(notebook):
    notebook.page.emulate_media(color_scheme="dark")
    assert [colours(notebook, alt)[0].min() > 250 for alt in sorted(ALTS)] == [True, True, False]
    notebook.page.emulate_media(color_scheme="light")


def test_paper_is_dark_in_the_dark_and_maps_and_photographs_stay(notebook, dark):
    for alt, middle in (("A figure of numbers", (68, 1, 84)), ("A figure of pixels", (200, 90, 30))):
        for _ in range(30):  # a busy machine may still be painting when the theme has changed
            corner, inside = colours(notebook, alt)
            if corner.max() < 40 and np.abs(inside - middle).max() < 8:
                break
            notebook.page.wait_for_timeout(100)
        else:
            pytest.fail(f"{alt}: {corner} in the corner, {inside} in the middle")
    assert np.abs(colours(notebook, "Pixels alone")[0] - (200, 90, 30)).max() == 0


def test_not_trusted_and_not_run_shows_the_still_pictures(lab, notebook, open_notebook, album):
    """A notebook as it was cloned: its outputs were made elsewhere, and JupyterLab runs no script of theirs."""
    notebook.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    notebook.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    saved = nbformat.read(lab.folder / "explorers.ipynb", as_version=4)
    saved.cells[0].source = "# As cloned"  # its signature no longer fits
    nbformat.write(saved, lab.folder / "as_cloned.ipynb")

    cloned = open_notebook("as_cloned.ipynb")
    cloned.look_at_everything()
    pictures = cloned.pictures()
    assert [(p["drawn"], p["visible"]) for p in pictures] == [(True, True)] * (len(TITLES) + len(ALTS))
    assert {p["alt"] for p in pictures} == {"Three frames", *ALTS}
    text = " ".join(cloned.outputs().all_text_contents())
    assert "a still picture: run this cell to click" in text
    assert "function" not in text and ".vfe-" not in text, "script or style shows as text"
    cloned.photograph(album, "not-trusted")
    assert cloned.broken() == [] and cloned.foreign == [] and cloned.console == []


def test_a_request_to_another_machine_would_be_seen(open_notebook):
    """The guard that other tests rely on: `foreign` names it, and it reaches nobody."""
    notebook = open_notebook("exercises/01_vit_recap_sheet.ipynb")
    asked = "https://arxiv.org/picture.png"  # no name but this machine's is looked up
    assert notebook.page.evaluate("url => fetch(url).then(() => 'came', () => 'refused')", asked) == "refused"
    assert notebook.foreign == [asked]
