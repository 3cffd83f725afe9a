"""The first picture of every built lesson, small, for the README's map: `python -m tools.thumbnails`.

Writes docs/pictures/lesson_NN.png. Needs the extra `test` (Playwright) and a Chromium.
"""

import io
import json
import pathlib
import re
import sys

from PIL import Image, ImageOps
from playwright.sync_api import sync_playwright

from tools.notebooks.course import read_course
from tools.system import chromium

ROOT = pathlib.Path(__file__).parents[1]
SIZE = 400, 240  # pixels; shown at half of it
PICTURE = re.compile(r"<img|<svg|<video")


def first_picture(notebook: dict) -> str:
    """The HTML of the first output that shows a picture; raises ValueError where there is none."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data and "text/html" not in data:
                return f'<img src="data:image/png;base64,{"".join(data["image/png"]).strip()}">'
            html = "".join(data.get("text/html", ""))
            if PICTURE.search(html):
                return html
    raise ValueError("no output shows a picture")


def main() -> int:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 760, "height": 900})
        for one in read_course(ROOT).written():
            notebook = json.loads((ROOT / "notebooks" / f"{one.name}.ipynb").read_text(encoding="utf-8"))
            page.set_content(f"<body style='margin:0;font-family:sans-serif'>{first_picture(notebook)}")
            page.wait_for_timeout(500)
            shapes = [shape for shape in page.locator("img, svg, video, canvas").all() if shape.is_visible()]
            largest = max(shapes, key=lambda shape: shape.bounding_box()["width"] * shape.bounding_box()["height"])
            picture = Image.open(io.BytesIO(largest.screenshot())).convert("RGB")
            picture = ImageOps.pad(picture, SIZE, color="white")
            target = ROOT / "docs" / "pictures" / f"lesson_{one.number}.png"
            picture.quantize(64).save(target, optimize=True)
            print(f"{target.relative_to(ROOT).as_posix()}: {picture.width} x {picture.height}, "
                  f"{target.stat().st_size / 1000:.0f} kB")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
