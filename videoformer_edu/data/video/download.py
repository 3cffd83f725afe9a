"""A small set of real videos to train on: ten classes of UCF101 (Soomro et al. 2012, arXiv:1212.0402), 171 MB.

    root = ucf101_subset("data")                # data/UCF101_subset, with the folders train, val and test
    sets = split(root, frames=8, size=112)      # videoformer_edu.data.video.splits

or, in a shell, `python -m videoformer_edu.data.video.download data`. A download that broke off goes on where it was,
also in another process. (The hub's own client does not do that: it removes a part file when its process ends.) What
arrives is trusted by its checksum alone. Under torchrun, call it before the processes start, or in the first one only.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import http.client
import os
import shutil
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm.auto import tqdm

__all__ = ["UCF101_SUBSET", "DownloadError", "HubFile", "extract", "fetch", "ucf101_subset"]

CHUNK = 1 << 18  # bytes
TIMEOUT = 30  # seconds without a byte


class DownloadError(RuntimeError):
    """A file could not be fetched, is not the one expected, or cannot be unpacked; the message says what to do."""


@dataclass(frozen=True)
class HubFile:
    """One file at one revision of a data set of the Hugging Face hub: size in bytes, SHA-256 in hexadecimal."""

    repository: str
    revision: str
    name: str
    size: int
    sha256: str

    @property
    def address(self) -> str:
        """Where it is fetched from; HF_ENDPOINT names a mirror of the hub."""
        hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        return f"{hub}/datasets/{self.repository}/resolve/{self.revision}/{self.name}"


# Revision, size and checksum agree in the public records of three projects that use this file; they stand here from
# there, not from a download of our own. The same records say: a plain tar in spite of its name; UCF101_subset/ with
# train, val and test of 300, 30 and 75 .avi files in ten class folders each; no recording in two of the three.
# The card of the repository says Apache 2.0, which need not bind the makers of the clips.
UCF101_SUBSET = HubFile(
    repository="sayakpaul/ucf101-subset",
    revision="b9984b8d2a95e4a1879e1b071e9433858d0bc24a",
    name="UCF101_subset.tar.gz",
    size=171_386_880,
    sha256="e9fcc76af48d320be88c5265f2e0576ecd615956976f6ce4742fdf2b042b71eb",
)


def ucf101_subset(folder: str | os.PathLike = "data") -> Path:
    """The folder `UCF101_subset` in `folder`: as it is if it is there already, else downloaded, checked and unpacked.

    An archive that was put into `folder` by hand is used like a downloaded one. Raises DownloadError.
    """
    target = Path(folder) / "UCF101_subset"
    return target if target.is_dir() else extract(fetch(UCF101_SUBSET, folder), target)


def fetch(file: HubFile, folder: str | os.PathLike, *, attempts: int = 5, pause: float = 1.0) -> Path:
    """`folder/name`, downloaded unless it is there, its checksum verified in either case.

    What has arrived lies in `name.part` until it is complete and right. After an interruption it goes on from there,
    at most `attempts` times in a row without a new byte, with a growing `pause` in seconds. Raises DownloadError.
    """
    folder = Path(folder)
    path, part = folder / file.name, folder / f"{file.name}.part"
    if path.exists():
        if checksum(path) != file.sha256:
            wrong = path.replace(path.with_name(f"{file.name}.wrong"))
            raise DownloadError(f"{path} is not the file expected: {describe(wrong, file)}. It was renamed to "
                                f"{wrong.name}; call again to download the right one")
        return path
    folder.mkdir(parents=True, exist_ok=True)
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise DownloadError(by_hand(file, folder, "HF_HUB_OFFLINE is set, so nothing was tried"))
    failures, most = 0, size(part)
    while size(part) < file.size:
        try:
            receive(file, part)
            reason = "the connection was closed early"
        except urllib.error.HTTPError as error:
            error.close()
            reason = f"the server answered {error.code} {error.reason}"
            if error.code == 416:  # nothing of the file lies behind what we have: it cannot be a part of it
                part.unlink(missing_ok=True)
            elif error.code < 500 and error.code not in (408, 429):
                raise DownloadError(by_hand(file, folder, reason)) from error
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        failures = 0 if size(part) > most else failures + 1
        most = max(most, size(part))
        if failures == attempts:
            raise DownloadError(by_hand(file, folder, f"{reason}, {attempts} times"))
        if size(part) < file.size:
            time.sleep(pause * (failures + 1))
    if checksum(part) != file.sha256:
        found = describe(part, file)
        part.unlink()
        raise DownloadError(f"what {file.address} sent is not the file expected: {found}. It was deleted. If that "
                            "happens again, the file there was changed, or something on the way replaces it")
    return part.replace(path)


def receive(file: HubFile, part: Path) -> None:
    """Append to `part` what is missing, as far as the connection lasts."""
    have = size(part)
    request = urllib.request.Request(file.address, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        with (open(part, "ab" if goes_on else "wb") as target,
              tqdm(total=file.size, initial=have if goes_on else 0, desc=file.name, unit="B", unit_scale=True,
                   disable=None) as bar):
            while chunk := answer.read(CHUNK):
                target.write(chunk)
                bar.update(len(chunk))
                if target.tell() > file.size:
                    return  # not our file, and perhaps without end


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def checksum(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as content:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def describe(path: Path, file: HubFile) -> str:
    return f"{size(path)} bytes with SHA-256 {checksum(path)} instead of {file.size} bytes with {file.sha256}"


def by_hand(file: HubFile, folder: Path, reason: str) -> str:
    kept = size(folder / f"{file.name}.part")
    arrived = f"The {kept} bytes that have arrived are kept; the next call goes on from there.\n" if kept else ""
    return (f"could not download {file.name} ({file.size / 1e6:.0f} MB): {reason}.\nAddress: {file.address}\n{arrived}"
            f"By hand: open the address on a machine with a network, put the file into {folder.resolve()} under the "
            f"name {file.name}, and call again; it is then checked and used")


def extract(archive: Path, target: Path) -> Path:
    """Unpack a tar or zip archive as the folder `target`, whole or not at all; -> `target`.

    If all lies in one top folder, that becomes `target`, whatever its name. A member that would be written outside,
    a device file, or a damaged archive raise DownloadError; of tar archives Python's "data" filter decides.
    """
    work = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(work, ignore_errors=True)  # of a process that was killed
    work.mkdir(parents=True)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as content:
                outside = [name for name in content.namelist()
                           if not (work / name).resolve().is_relative_to(work.resolve())]
                if outside:
                    raise DownloadError(f"{archive} wants to write outside its folder ({outside[0]}); nothing was "
                                        "unpacked, and it should not be trusted")
                content.extractall(work)
        else:
            with tarfile.open(archive) as content:
                content.extractall(work, filter="data")
        tops = [path for path in work.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        os.replace(tops[0] if len(tops) == 1 and tops[0].is_dir() else work, target)
    except tarfile.FilterError as error:
        raise DownloadError(f"{archive} wants to write outside its folder, or what is no file ({error}); nothing was "
                            "unpacked, and it should not be trusted") from error
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise DownloadError(f"{archive} cannot be unpacked ({reason}): damaged, or neither tar nor zip; remove it "
                            "and call again") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m videoformer_edu.data.video.download",
                                     description="Download the UCF101 subset (171 MB), check it and unpack it.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("data"), help="where to (default: data)")
    try:
        print(ucf101_subset(parser.parse_args(arguments).folder))
    except DownloadError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
