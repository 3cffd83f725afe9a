"""Which videos are there, and which class has each? From a folder of class folders.

Nothing is decoded here, but everything that can be wrong with names is found, all at once and before training starts.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

EXTENSIONS = (".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpeg4", ".mpg",
              ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv")
SPLITS = ("train", "val", "valid", "validation", "test")  # folders of these names hold class folders, not videos


class DatasetError(ValueError):
    """A data set does not look as expected; the message says what was found and what to do."""


def some(names: Iterable[object], limit: int = 10) -> str:
    """The first few of many names, for a message: "a, b and 3 more"."""
    names = [name if len(name) < 300 else name[:300] + "..." for name in map(str, names)]
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def is_video(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def visible_folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def split_folders(root: Path) -> list[Path]:
    """The folders train, val, ... of `root` that hold class folders. One that holds videos is a class of that name.

    But if there is no other class, the videos of train/, test/, ... have none, and so all are taken for splits.
    Raises DatasetError for splits beside classes.
    """
    folders = visible_folders(root)
    named = [folder for folder in folders if folder.name in SPLITS]
    classes = [folder for folder in folders if any(map(is_video, folder.iterdir()))]
    splits = named if named == folders else [folder for folder in named if folder not in classes]
    beside = [folder.name for folder in classes if folder not in splits]
    if splits and beside:
        raise DatasetError(f"{root} holds the splits {some(path.name for path in splits)} and videos in {some(beside)} "
                           "beside them; move these classes into the splits, or elsewhere")
    return splits


def find_videos(root: str | os.PathLike, classes: Sequence[str] | None = None
                ) -> tuple[list[Path], list[int], list[str]]:
    """`root/class_name/*.mp4` and so on -> (paths, labels, classes), sorted by class name, then by file name.

    Hidden files and files that are no videos are passed over; a class folder without any video is an error, and so are
    videos in a folder below it, and a class whose name is not among `classes`, where they are given (a class without a
    folder is none: a test set may miss it). Raises DatasetError.
    """
    root = Path(root)
    if not root.is_dir():
        hint = "for a list of files there is VideoList" if root.is_file() else f"the current folder is {Path.cwd()}"
        raise DatasetError(f"{root} is not a folder; expected one with a folder per class ({hint})")
    folders = visible_folders(root)
    names = [folder.name for folder in folders]
    if not folders:
        raise DatasetError(f"{root} holds no class folders ({describe(root)}); expected root/class_name/clip.mp4")
    splits = split_folders(root)
    if splits:
        first = splits[0]
        raise DatasetError(f"{root} holds the splits {some(path.name for path in splits)}, not classes; expected "
                           f"{first.name}/class_name/clip.mp4 in them; take one, VideoFolder({str(first)!r}), or all "
                           "with videoformer_edu.data.video.splits.split")
    videos = {folder.name: sorted(path for path in folder.iterdir() if is_video(path) and not path.is_dir())
              for folder in folders}
    empty = [f"{folder.name} ({describe(folder)})" for folder in folders if not videos[folder.name]]
    if empty:
        raise DatasetError(f"{len(empty)} of {len(folders)} class folders in {root} hold no video: {some(empty)}; "
                           f"remove them, or add files of these kinds: {' '.join(EXTENSIONS)}")
    below = [Path(path).relative_to(root) / file for folder in folders for inner in visible_folders(folder)
             for path, _, files in os.walk(inner) for file in files if is_video(Path(file))]
    if below:
        raise DatasetError(f"{len(below)} videos of {root} lie deeper than in their class folder: {some(below, 5)}; "
                           "expected root/class_name/clip.mp4, so move them up, or name them in a list (VideoList)")
    classes = names if classes is None else unique_classes(classes)
    unknown = sorted(set(names) - set(classes))
    if unknown:
        raise DatasetError(f"{root} has folders that are not among the {len(classes)} classes: {some(unknown)}; "
                           f"the classes are {some(classes)}")
    number = {name: index for index, name in enumerate(classes)}
    paths = [path for name in names for path in videos[name]]
    return paths, [number[path.parent.name] for path in paths], list(classes)


def passed_over(root: str | os.PathLike) -> str:
    """What `find_videos` does not take, neither as a class nor as a video, in a few words: "3 .txt, 1 hidden"."""
    root = Path(root)
    beside = [path for path in root.iterdir() if path not in visible_folders(root)]
    within = [path for folder in visible_folders(root) for path in folder.iterdir()
              if path.is_dir() or not is_video(path)]
    loose = [path for path in beside if is_video(path)]
    words = [f"{len(loose)} videos without a class ({some(path.name for path in loose[:3])})"] if loose else []
    rest = count_kinds([path for path in beside if path not in loose] + within)
    return ", ".join(words + ([rest] if rest else []))


def describe(folder: Path) -> str:
    """What a folder holds, in a few words: "3 .txt, 1 hidden, 2 folders"."""
    return count_kinds(folder.iterdir()) or "empty"


def count_kinds(paths: Iterable[Path]) -> str:
    def kind(path: Path) -> str:
        if path.name.startswith("."):
            return "hidden"
        return "folders" if path.is_dir() else path.suffix.lower() or "without extension"

    counts = Counter(map(kind, paths))
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def unique_classes(classes: Sequence[str]) -> list[str]:
    repeated = [name for name, count in Counter(classes).items() if count > 1]
    if repeated:
        raise DatasetError(f"classes names {some(repeated)} more than once; each class has one name and one number")
    return list(classes)
