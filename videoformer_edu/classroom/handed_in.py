"""Find what was handed in: notebooks and .py files, in folders and in the zips that Moodle and Canvas export."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from videoformer_edu.classroom.archive import FILE_BYTES, FILES, Member, Refused, clean, members, read_member

ANSWERS = (".ipynb", ".py")
SILENT = {"__MACOSX", ".ipynb_checkpoints", "__pycache__", ".git", ".DS_Store", "Thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class HandedIn:
    """One file. `path` is its name below what was named on the command line; `origin` is for people.

    `mark` changes when the content does. `read` gives the bytes, or raises Refused.
    """

    path: str
    origin: str
    mark: str
    read: Callable[[], bytes]
    refused: str = ""


@dataclass(frozen=True)
class PassedOver:
    """A file that is not graded, and why."""

    origin: str
    why: str


def find(places: Sequence[Path]) -> tuple[list[HandedIn], list[PassedOver]]:
    """All that may be graded, in the order of its names, and all that may not. Raises FileNotFoundError."""
    found: list[HandedIn] = []
    passed: list[PassedOver] = []
    for place in places:
        if not place.exists():
            raise FileNotFoundError(f"{place} does not exist")
        for one in _below(place):
            (found if isinstance(one, HandedIn) else passed).append(one)
    unique = {one.origin: one for one in found}  # the same place named twice
    return sorted(unique.values(), key=lambda one: one.origin), passed


def _below(place: Path) -> Iterator[HandedIn | PassedOver]:
    if place.is_dir():
        for count, path in enumerate(_walk(place)):
            if count >= FILES:
                yield PassedOver(str(place), f"holds more than {FILES:,} files; the rest was not looked at")
                return
            yield from _one(path, path.relative_to(place).as_posix())
    else:
        yield from _one(place, place.name)


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if name not in SILENT)
        yield from (Path(root) / name for name in sorted(files) if name not in SILENT)


def _one(path: Path, name: str) -> Iterator[HandedIn | PassedOver]:
    name, suffix = clean(name), path.suffix.lower()
    if not stat.S_ISREG(path.lstat().st_mode):
        yield PassedOver(str(path), "is a link, a pipe or a device, not a file")
    elif suffix == ".zip":
        yield from _zip(path, name)
    elif suffix in ANSWERS:
        size = path.stat().st_size
        refused = f"is larger than {FILE_BYTES // 2**20} MB" if size > FILE_BYTES else ""
        yield HandedIn(name, str(path), "" if refused else _mark(path), lambda: _read(path), refused)
    else:
        yield PassedOver(str(path), "is neither a notebook nor a .py file")


def _zip(path: Path, name: str) -> Iterator[HandedIn | PassedOver]:
    """The files of an archive. One student's own archive in a folder keeps the folder's name before its files'."""
    try:
        inside = list(members(path))
    except Refused as error:
        yield PassedOver(str(path), str(error))
        return
    before = PurePosixPath(name).parent if "/" in name else PurePosixPath()
    for member in inside:
        origin, file = f"{path}: {member.name}", PurePosixPath(member.name)
        if SILENT & set(file.parts) or file.name.startswith("._"):
            continue
        if file.suffix.lower() not in ANSWERS:
            yield PassedOver(origin, member.refused or "is neither a notebook nor a .py file")
            continue
        yield HandedIn((before / member.name.lstrip("/")).as_posix(), origin, f"{member.crc:08x}-{member.size}",
                       _reader(path, member), member.refused)


def _reader(path: Path, member: Member) -> Callable[[], bytes]:
    return lambda: read_member(path, member)


def _read(path: Path) -> bytes:
    """A regular file, opened so that neither a link nor a pipe put there meanwhile can do harm."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Refused("is no regular file")
            data = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise Refused(f"cannot be read ({error.strerror})") from error
    if len(data) > FILE_BYTES:
        raise Refused(f"is larger than {FILE_BYTES // 2**20} MB")
    return data


def _mark(path: Path) -> str:
    try:
        return hashlib.sha256(_read(path)).hexdigest()[:16]
    except Refused:
        return ""


def marks(found: Iterable[HandedIn]) -> dict[str, str]:
    """What was there and what it held, to tell one set of submissions from another."""
    return {one.origin: one.mark for one in found}
