"""Reads an explorer as a browser would, written from the description of its layout and not from its code."""

import base64
import json
import struct
import zlib
from math import prod

from bs4 import BeautifulSoup


def explorer_of(markup: str):
    soup = BeautifulSoup(markup, "html.parser")
    roots = soup.select('[data-explorer="attention"]')
    assert len(roots) == 1
    return soup, roots[0], json.loads(roots[0]["data-config"])


def decode(root, config) -> dict[str, list]:
    """label -> `[head][query] -> (shares of all patches, share of CLS)`, in plain Python."""
    data = zlib.decompress(base64.b64decode(root["data-payload"], validate=True))
    offset, maps = 0, {}

    def take(form, n):
        nonlocal offset
        values = struct.unpack_from(f"<{n}{form}", data, offset)
        offset += struct.calcsize(f"<{n}{form}")
        return values

    for entry in config["maps"]:
        rows, l = entry["heads"] * entry["queries"], prod(entry["keys"])  # noqa: E741
        scale, cls, values = take("H", rows), take("H", rows), take("B", rows * l)
        table = [([v / 255 * scale[r] / 65535 for v in values[r * l:(r + 1) * l]], cls[r] / 65535)
                 for r in range(rows)]
        maps[entry["label"]] = [table[h * entry["queries"]:(h + 1) * entry["queries"]] for h in range(entry["heads"])]
    assert offset == len(data), "bytes left over"
    return maps
