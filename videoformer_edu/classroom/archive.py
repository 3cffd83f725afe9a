"""The files in a zip that somebody else has packed: counted, bounded, and never written to disk under their names."""

from __future__ import annotations

import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE_BYTES = 128 * 2**20  # one file, unpacked: a notebook with 50 MB of outputs is bad manners and no attack
ALL_BYTES = 8 * 2**30  # everything in one archive, unpacked
FILES = 20_000
RATIO = 300  # unpacked bytes for one packed byte; text with repeated pictures reaches 100
SMALL = 2**20  # up to here no ratio is suspicious

DIRECTIONS = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")  # invisible, or turning the text around


class Refused(ValueError):
    """A file that is not read, and the sentence that says why."""


@dataclass(frozen=True)
class Member:
    """One file in an archive: its cleaned name, or why it is refused."""

    name: str
    number: int  # its place in the archive's list; two files may have the same name there
    size: int
    crc: int
    refused: str = ""


def clean(name: str) -> str:
    """The name in one normal form, without invisible and control characters, `/` between its parts."""
    name = DIRECTIONS.sub("", unicodedata.normalize("NFC", name)).replace("\\", "/")
    return "".join(char for char in name if unicodedata.category(char)[0] != "C")


def members(path: Path) -> Iterator[Member]:
    """The files of an archive in their order. Raises Refused if it is none, or holds too much."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile, RecursionError) as error:
        raise Refused(f"cannot be opened as a zip archive ({error})") from error
    if len(infos) > FILES:
        raise Refused(f"holds {len(infos):,} files; no class hands in more than {FILES:,}")
    if sum(info.file_size for info in infos) > ALL_BYTES:
        raise Refused(f"would unpack to more than {ALL_BYTES // 2**30} GB")
    seen: dict[str, str] = {}
    for number, info in enumerate(infos):
        if info.is_dir():
            continue
        name, why = clean(info.filename), unsafe(info)
        folded = unicodedata.normalize("NFKC", name).casefold()
        if not why and folded in seen:
            why = f"has the name of {seen[folded]!r} but for capitals or look-alike letters"
        seen.setdefault(folded, name)
        yield Member(name, number, info.file_size, info.CRC, why)


def unsafe(info: zipfile.ZipInfo) -> str:
    """Why a file of an archive is not read; empty if it may be."""
    name, mode = info.filename.replace("\\", "/"), info.external_attr >> 16
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or "\0" in info.orig_filename:
        return "has an absolute name"
    if ".." in name.split("/"):
        return "has a name that leads out of the archive"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "is a link or a device, not a file"
    if info.flag_bits & 1:
        return "is locked with a password"
    if info.file_size > FILE_BYTES:
        return f"is larger than {FILE_BYTES // 2**20} MB"
    if info.file_size > max(SMALL, RATIO * info.compress_size):
        return f"unpacks to more than {RATIO} times its size"
    return ""


def read_member(path: Path, member: Member, most: int = FILE_BYTES) -> bytes:
    """The bytes of one file. Raises Refused when there are more than it said, or when they are damaged."""
    if member.refused:
        raise Refused(member.refused)
    try:
        with zipfile.ZipFile(path) as archive, archive.open(archive.infolist()[member.number]) as file:
            data = file.read(min(member.size, most) + 1)
    except (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error,
            LookupError) as error:
        raise Refused(f"is damaged in the archive ({error})") from error
    if len(data) > min(member.size, most):
        raise Refused("is larger than the archive says")
    return data
