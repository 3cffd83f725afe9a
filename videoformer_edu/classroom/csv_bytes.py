"""A CSV file as bytes whose cells can be filled in one by one, so that every other byte stays as it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """One cell: where its bytes are, quotes included, and what it says."""

    begin: int
    end: int
    text: str


def fields(data: bytes) -> list[list[Field]]:
    """The rows, split at commas as RFC 4180 says; quotes are doubled inside quotes, rows end in LF, CRLF or CR.

    Raises ValueError for text that is not UTF-8 or a quote that is never closed. Empty lines are rows without cells.
    """
    data.decode("utf-8")
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    rows: list[list[Field]] = []
    row: list[Field] = []
    while at < len(data):
        field = one_field(data, at)
        if row or field.end > at or data[at:at + 1] == b",":
            row.append(field)
        at = field.end
        if data[at:at + 1] == b",":
            at += 1
            if at == len(data) or data[at:at + 1] in (b"\n", b"\r"):  # an empty last cell
                row.append(Field(at, at, ""))
            else:
                continue
        at += 2 if data[at:at + 2] == b"\r\n" else 1
        rows.append(row)
        row = []
    return rows


def one_field(data: bytes, begin: int) -> Field:
    if data[begin:begin + 1] != b'"':
        end = min((place for place in (data.find(mark, begin) for mark in (b",", b"\n", b"\r")) if place >= 0),
                  default=len(data))
        return Field(begin, end, data[begin:end].decode())
    at = begin + 1
    while True:
        at = data.find(b'"', at)
        if at < 0:
            raise ValueError("a quote is never closed")
        if data[at + 1:at + 2] != b'"':
            break
        at += 2
    end = at + 1
    if end < len(data) and data[end:end + 1] not in (b",", b"\n", b"\r"):
        raise ValueError("text follows a closing quote")
    return Field(begin, end, data[begin + 1:at].decode().replace('""', '"'))


def filled(data: bytes, changes: list[tuple[Field, str]]) -> bytes:
    """The same bytes with some cells replaced."""
    out, at = [], 0
    for field, text in sorted(changes, key=lambda change: change[0].begin):
        quoted = any(mark in text for mark in ',"\n\r') or data[field.begin:field.begin + 1] == b'"'
        new = '"' + text.replace('"', '""') + '"' if quoted else text
        out += [data[at:field.begin], new.encode()]
        at = field.end
    return b"".join([*out, data[at:]])
