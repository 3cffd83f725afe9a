"""The code in a file that was handed in: a notebook's cells, whatever became of it on the way, or a .py file."""

from __future__ import annotations

import codecs
import io
import json
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass, field

from videoformer_edu.classroom.archive import Refused
from videoformer_edu.grading.record import Cell

CODE_CHARACTERS = 2_000_000  # all code of one submission; a sheet has some 10,000


@dataclass(frozen=True)
class Code:
    """The cells, the notebook's own metadata, and what had to be said while reading."""

    cells: tuple[Cell, ...]
    metadata: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_code(data: bytes, name: str) -> Code:
    """The code of a notebook or a .py file. Raises Refused with the reason if there is none to be read."""
    if not data.strip():
        raise Refused("is empty")
    code = notebook(data) if name.lower().endswith(".ipynb") else python(data)
    if sum(len(cell.source) for cell in code.cells) > CODE_CHARACTERS:
        raise Refused(f"holds more than {CODE_CHARACTERS:,} characters of code")
    return code


def python(data: bytes) -> Code:
    """A .py file as one cell, in the encoding that it declares."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        text, said = data.decode("latin-1"), "is not UTF-8: read as Latin-1"
    else:
        said = ""
    return Code((Cell(text.replace("\r\n", "\n"), 0),), {}, (said,) if said else ())


def notebook(data: bytes) -> Code:
    """The code cells of a notebook, with or without metadata, of format 4 or 3; outputs are not looked at."""
    text, notes = decoded(data)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"is no valid notebook: its JSON cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise Refused("is no notebook: its JSON holds no cells")
    found = content.get("cells")
    if not isinstance(found, list):  # format 3
        sheets = content.get("worksheets")
        found = sheets[0].get("cells") if isinstance(sheets, list) and sheets and isinstance(sheets[0], dict) else None
        if not isinstance(found, list):
            raise Refused("is no notebook: it has no list of cells")
        notes.append("is a notebook of the old format 3")
    odd = sum(not isinstance(cell, dict) for cell in found)
    if odd:
        notes.append(f"has {odd} {'cell that is' if odd == 1 else 'cells that are'} none, passed over")
    cells = [Cell(source_of(cell), number, tags_of(cell)) for number, cell in enumerate(found)
             if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    if not any(cell.source.strip() for cell in cells):
        raise Refused("holds no code")
    metadata = content.get("metadata")
    return Code(tuple(cells), metadata if isinstance(metadata, dict) else {}, tuple(notes))


def decoded(data: bytes) -> tuple[str, list[str]]:
    """JSON is UTF-8; what an editor made of it is read as well as it goes, and said."""
    for mark, encoding in ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"),
                           (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, "replace"), ([] if encoding == "utf-8-sig" else ["is UTF-16, not UTF-8"])
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError as error:
        return data.decode("latin-1"), [f"is not UTF-8 (byte {error.start}): read as Latin-1"]


def source_of(cell: Mapping[str, object]) -> str:
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return source.replace("\r\n", "\n") if isinstance(source, str) else ""


def tags_of(cell: Mapping[str, object]) -> tuple[str, ...]:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
