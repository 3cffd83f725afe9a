"""The course as static pages: every link leads somewhere, nothing comes from elsewhere, explorers are alive."""

import functools
import http.server
import shutil
import threading
from pathlib import Path
from urllib.parse import unquote

import pytest
from bs4 import BeautifulSoup

from tools.site.__main__ import build
from tools.site.prepare import ROOT

PAGES = ["index.html", "notebooks/05_vivit.html", "exercises/04_timesformer_sheet.html"]


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    assert build(folder / "html", folder / "work") == 0
    yield folder / "html"
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def address(site):
    """The site as a server on loopback gives it: a search asks for pages, which no browser allows from files."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def visit(browser, address):
    """Opens a page of the site; fails for anything that it asks of another place, and for errors of its scripts."""
    pages = []

    def visit_(name: str, *, width=1366, theme="light"):
        page = browser.new_page()
        pages.append(page)
        page.asked, page.failed = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.failed.append(str(error)))
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)
        page.goto(address + name)
        return page

    yield visit_
    for page in pages:
        assert [url for url in page.asked if not url.startswith((address, "data:", "blob:"))] == []
        assert page.failed == []
        page.close()


def test_every_notebook_and_every_link_is_there(site):
    built = {path.relative_to(ROOT).with_suffix(".html") for folder in ("notebooks", "exercises")
             for path in (ROOT / folder).glob("[0-9]*.ipynb") if not path.stem.endswith(".new")}
    assert all((site / path).is_file() for path in built) and len(built) > 10
    soups = {path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in site.rglob("*.html")
             if "_static" not in path.parts}  # a theme keeps its templates there
    names = {path: {tag["id"] for tag in soup.select("[id]")} for path, soup in soups.items()}
    broken = []
    for path, soup in soups.items():
        for link in soup.select("a[href], img[src], script[src], link[href]"):
            address = link.get("href") or link.get("src")
            if address.startswith(("http:", "https:", "data:", "mailto:")) or address in ("", "#"):
                continue
            file, _, part = address.partition("#")
            target = (path.parent / unquote(file.partition("?")[0])).resolve() if file else path
            if not target.is_file() or part and target in names and unquote(part) not in names[target]:
                broken.append(f"{path.relative_to(site)}: {address}")
    assert broken == []


def test_no_page_needs_anything_from_elsewhere(site):
    foreign = {(path.name, tag.get("src") or tag.get("href")) for path in site.rglob("*.html")
               for tag in BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select(
                   "script[src], img[src], link[rel=stylesheet], iframe[src]")
               if (tag.get("src") or tag.get("href")).startswith(("http", "//"))}
    assert foreign == set()


@pytest.mark.parametrize(("width", "theme"), [(1366, "light"), (390, "dark")])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_alive_and_can_be_read_by_all(visit, findings, album, name, width, theme):
    page = visit(name, width=width, theme=theme)
    if not name.startswith("exercises"):
        page.locator(".vfe-live").first.wait_for()
        assert page.locator(".vfe-live").count() == page.locator("[data-explorer]").count() > 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert findings(page, "main") == []
    page.screenshot(path=album / f"site-{Path(name).stem}-{width}-{theme}.png")


def test_an_answer_opens_when_the_reader_asks_and_formulas_are_drawn(visit):
    page = visit("notebooks/05_vivit.html")
    folded = page.locator("details.hide:has(.cell_output), .cell.tag_hide-output details").first
    assert not folded.evaluate("node => node.open")
    folded.locator("summary").first.click()
    assert folded.evaluate("node => node.open")
    assert page.locator("math").count() > 3 and page.locator("math").first.bounding_box()["width"] > 10


def test_words_are_found_without_a_network(visit):
    page = visit("search.html?q=tubelet")
    page.locator("#search-results li a").first.wait_for()
    assert page.locator("#search-results li a[href*='05_vivit']").count() > 0
