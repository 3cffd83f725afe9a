"""Which videos are there, and which class has each? From a folder of class folders, or from a list in a text file.

Nothing is decoded here, but everything that can be wrong with names is found, all at once and before training starts.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

EXTENSIONS = (".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm",
              ".wmv")
SPLITS = ("train", "val", "valid", "validation", "test")  # folders of these names hold class folders, not videos


class DatasetError(ValueError):
    """A data set does not look as expected; the message says what was found and what to do."""


def some(names: Iterable[object], limit: int = 10) -> str:
    """The first few of many names, for a message: "a, b and 3 more"."""
    names = [str(name) for name in names]
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def is_video(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def visible_folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def find_videos(root: str | os.PathLike, classes: Sequence[str] | None = None
                ) -> tuple[list[Path], list[int], list[str]]:
    """`root/class_name/*.mp4` and so on -> (paths, labels, classes), sorted by class name, then by file name.

    Hidden files and files that are no videos are passed over; a class folder without any video is an error, and so is
    one whose name is not among `classes`, where they are given (a class without a folder is none: a test set may miss
    it). Raises DatasetError.
    """
    root = Path(root)
    if not root.is_dir():
        hint = "for a list of files there is VideoList" if root.is_file() else f"the current folder is {Path.cwd()}"
        raise DatasetError(f"{root} is not a folder; expected one with a folder per class ({hint})")
    folders = visible_folders(root)
    names = [folder.name for folder in folders]
    if not folders:
        raise DatasetError(f"{root} holds no class folders ({describe(root)}); expected root/class_name/clip.mp4")
    if set(names) <= set(SPLITS):
        raise DatasetError(f"{root} holds the splits {some(names)}, not classes; take one of them, "
                           f"VideoFolder({str(root / names[0])!r}), or all with "
                           "videoformer_edu.data.video.splits.split")
    videos = {folder.name: sorted(path for path in folder.iterdir() if is_video(path) and not path.is_dir())
              for folder in folders}
    empty = [f"{folder.name} ({describe(folder)})" for folder in folders if not videos[folder.name]]
    if empty:
        raise DatasetError(f"{len(empty)} of {len(folders)} class folders in {root} hold no video: {some(empty)}; "
                           f"remove them, or add files of these kinds: {' '.join(EXTENSIONS)}")
    classes = names if classes is None else unique_classes(classes)
    unknown = sorted(set(names) - set(classes))
    if unknown:
        raise DatasetError(f"{root} has folders that are not among the {len(classes)} classes: {some(unknown)}; "
                           f"the classes are {some(classes)}")
    number = {name: index for index, name in enumerate(classes)}
    paths = [path for name in names for path in videos[name]]
    return paths, [number[path.parent.name] for path in paths], list(classes)


def describe(folder: Path) -> str:
    """What a folder holds, in a few words: "3 .txt, 1 hidden, 2 folders"."""
    def kind(path: Path) -> str:
        if path.name.startswith("."):
            return "hidden"
        return "folders" if path.is_dir() else path.suffix.lower() or "without extension"

    counts = Counter(kind(path) for path in folder.iterdir())
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "empty"


def unique_classes(classes: Sequence[str]) -> list[str]:
    repeated = [name for name, count in Counter(classes).items() if count > 1]
    if repeated:
        raise DatasetError(f"classes names {some(repeated)} more than once; each class has one name and one number")
    return list(classes)


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
    missing = [path for path in paths if not path.is_file()]
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
    if not file.is_file():
        raise DatasetError(f"{file} does not exist; expected a text file with one video and its label per line")
    lines = [(number, line) for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1)
             if line.strip() and not line.startswith("#")]
    if not lines:
        raise DatasetError(f"{file} is empty; expected one video and its label per line")
    if separator is None:
        separator = next((mark for mark in (",", "\t") if mark in lines[0][1]), " ")
    if separator == " ":  # "my clip.mp4 3": the label is the last word, whatever the path holds
        rows = [line.rsplit(maxsplit=1) for _, line in lines]
    else:
        rows = list(csv.reader((line for _, line in lines), delimiter=separator, skipinitialspace=True))
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
    return [(number, row[columns[0]].strip(), row[columns[1]].strip())
            for (number, _), row in zip(lines, rows, strict=True)]


def number_labels(texts: Sequence[str], lines: Sequence[int], file: Path, classes: Sequence[str] | None
                  ) -> tuple[list[int], list[str]]:
    """Labels as numbers: names are looked up among the classes, whole numbers are taken as they are, from 0."""
    numbers = all(re.fullmatch(r"-?\d+", text) for text in texts)
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
    unused = sorted(set(range(count)) - set(labels))
    if classes is None and unused:
        raise DatasetError(f"{file} has labels up to {count - 1}, but never {some(unused)}; labels are counted from 0. "
                           "If classes without a video are meant, name them all with classes=")
    return labels, [str(number) for number in range(count)] if classes is None else classes
