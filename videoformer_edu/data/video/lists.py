"""Which videos are there, and which class has each? From a text file with a path and a label in each line.

As with folders, nothing is decoded, and everything that can be wrong is found before training starts, by its line.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from videoformer_edu.data.video.folders import EXTENSIONS, DatasetError, is_video, some, unique_classes

LONGEST = 4096  # letters of a path or a label; what is longer is none


def read_list(file: str | os.PathLike, root: str | os.PathLike | None = None, classes: Sequence[str] | None = None,
              separator: str | None = None) -> tuple[list[Path], list[int], list[str]]:
    """A list of videos -> (paths, labels, classes), in the order of its lines. The forms are those of `VideoList`.

    Raises DatasetError; missing files, and other faults of many lines, are named together.
    """
    file = Path(file)
    rows = read_rows(file, separator)
    base = file.parent if root is None else Path(root)
    paths = [Path(os.path.normpath(base / name)) for _, name, _ in rows]
    lines = [number for number, _, _ in rows]

    outside = [f"line {number}: {name}" for (number, name, _), path in zip(rows, paths, strict=True)
               if not (root is None and os.path.isabs(name)) and not path.is_relative_to(os.path.normpath(base))]
    if outside:
        raise DatasetError(f"{len(outside)} paths of {file} lead out of {base}: {some(outside)}; "
                           "give the folder that holds all the videos as root")
    first: dict[Path, int] = {}
    again = [f"line {number}: {path.name} (also line {first[path]})" for number, path in zip(lines, paths, strict=True)
             if first.setdefault(path, number) != number]
    if again:
        raise DatasetError(f"{len(again)} videos of {file} stand there more than once: {some(again)}; each must occur "
                           "once, with one label")
    missing = [path for path in paths if not os.path.isfile(path)]  # False, too, where there can be no such name
    if missing:
        header = "; if its first line is a header, it must name the columns path and label"
        header = header if missing == paths[:1] else ""
        raise DatasetError(f"{len(missing)} of the {len(paths)} videos of {file} are missing: {some(missing)}; paths "
                           f"are taken relative to {base}{header}")
    strange = [path for path in paths if not is_video(path)]
    if strange:
        raise DatasetError(f"{len(strange)} files of {file} are no videos by their names: {some(strange)}; "
                           f"expected one of {' '.join(EXTENSIONS)}")
    labels, classes = number_labels([label for *_, label in rows], lines, file, classes)
    return paths, labels, classes


def read_rows(file: Path, separator: str | None) -> list[tuple[int, str, str]]:
    """The lines of a list as (line number, path, label), still as text."""
    lines = [(number, line) for number, line in enumerate(read_lines(file), start=1)
             if line.strip() and not line.startswith("#")]
    if not lines:
        raise DatasetError(f"{file} is empty; expected one video and its label per line")
    if separator is None:
        separator = next((mark for mark in (",", "\t") if mark in lines[0][1]), " ")
    rows = [split_line(file, number, line, separator) for number, line in lines]
    header = [name.strip().lower() for name in rows[0]]
    columns, width = (0, 1), 2
    if {"path", "label"} <= set(header):
        columns, width = (header.index("path"), header.index("label")), len(header)
        lines, rows = lines[1:], rows[1:]
    wrong = [f"line {number} has {len(row)}" for (number, _), row in zip(lines, rows, strict=True) if len(row) != width]
    if wrong or not rows:
        raise DatasetError(f"{file} should have {width} columns in each line, split at {separator!r}, but "
                           f"{some(wrong) or 'it has a header alone'}; expected path and label, or a header that "
                           "names the columns path and label")
    found = [(number, row[columns[0]].strip(), row[columns[1]].strip())
             for (number, _), row in zip(lines, rows, strict=True)]
    for name, column in (("path", 1), ("label", 2)):
        blank = [f"line {row[0]}" for row in found if not row[column] or len(row[column]) > LONGEST]
        if blank:
            raise DatasetError(f"{len(blank)} lines of {file} have no {name}, or one of more than {LONGEST} letters: "
                               f"{some(blank)}; expected one video and its label per line")
    return found


def read_lines(file: Path) -> list[str]:
    if not file.is_file():
        raise DatasetError(f"{file} is no file; expected a text file with one video and its label per line")
    content = file.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DatasetError(f"{file}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8; save the list as "
                           "UTF-8 text, for example with: iconv -f latin1 -t utf-8") from None
    if "\0" in text:
        raise DatasetError(f"{file} holds zero bytes, as UTF-16 text does; save the list as UTF-8 text")
    return re.split("\r\n|\n|\r", text)


def split_line(file: Path, number: int, line: str, separator: str) -> list[str]:
    if separator == " ":  # "my clip.mp4 3": the label is the last word, whatever the path holds
        return line.rsplit(maxsplit=1)
    try:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise DatasetError(f"{file}, line {number} cannot be split at {separator!r}: {error}; expected path and label, "
                           'and "quotes" around a path that holds the separator, both in the same line') from None


def number_labels(texts: Sequence[str], lines: Sequence[int], file: Path, classes: Sequence[str] | None
                  ) -> tuple[list[int], list[str]]:
    """Labels as numbers: names are looked up among the classes, whole numbers are taken as they are, from 0."""
    numbers = all(re.fullmatch(r"-?\d{1,18}", text) for text in texts)
    if classes is None and not numbers:
        classes = sorted(set(texts))
    if classes is not None:
        classes = unique_classes(classes)
        known = {name: number for number, name in enumerate(classes)}
        if not numbers or set(texts) <= set(known):
            unknown = [f"line {line}: {text}" for line, text in zip(lines, texts, strict=True) if text not in known]
            if unknown:
                raise DatasetError(f"{len(unknown)} labels of {file} are not among the {len(classes)} classes: "
                                   f"{some(unknown)}; the classes are {some(classes)}")
            return [known[text] for text in texts], classes
    labels = [int(text) for text in texts]
    count = max(labels) + 1 if classes is None else len(classes)
    outside = [f"line {line}: {label}" for line, label in zip(lines, labels, strict=True) if not 0 <= label < count]
    if outside:
        raise DatasetError(f"{len(outside)} labels of {file} are out of range: {some(outside)}; expected 0 to "
                           f"{count - 1}, counted from 0")
    used = set(labels)
    if classes is None and len(used) < count:  # compared, and not listed: a label may be a number of a billion
        first = list(islice((number for number in range(count) if number not in used), 10))
        more = f" and {count - len(used) - len(first)} more" if count - len(used) > len(first) else ""
        raise DatasetError(f"{file} has labels up to {count - 1} (line {lines[labels.index(count - 1)]}), but "
                           f"never {some(first)}{more}; labels are counted from 0. If classes without a video are "
                           "meant, name them all with classes=")
    return labels, [str(number) for number in range(count)] if classes is None else classes
