"""A small set of real videos to train on: ten classes of UCF101 (Soomro et al. 2012, arXiv:1212.0402), 171 MB.

    root = ucf101_subset("data")                # data/UCF101_subset, with the folders train, val and test
    sets = split(root, frames=8, size=112)      # videoformer_edu.data.video.splits

or, in a shell, `python -m videoformer_edu.data.video.ucf101 data`. The hub's own client fetches it: a connection that
breaks off is taken up again, but a process that ends begins anew (huggingface_hub 2.4 removes its part file). What
arrives is trusted by its checksum alone. Under torchrun, call it before the processes start.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

if sys.version_info >= (3, 11, 4):
    import tarfile
else:  # the first Pythons of 3.11 (Debian 12's is one) have no filter that keeps an archive inside its folder
    from backports import tarfile

__all__ = ["DownloadError", "extract", "ucf101_subset"]

# Revision, size and checksum agree in the public records of three projects that use this file; they stand here from
# there, not from a download of our own. The same records say: a plain tar in spite of its name; UCF101_subset/ with
# train, val and test of 300, 30 and 75 .avi files in ten class folders each; no recording in two of the three.
# The card of the repository says Apache 2.0, which need not bind the makers of the clips.
REPOSITORY = "sayakpaul/ucf101-subset"
REVISION = "b9984b8d2a95e4a1879e1b071e9433858d0bc24a"
NAME = "UCF101_subset.tar.gz"
SHA256 = "e9fcc76af48d320be88c5265f2e0576ecd615956976f6ce4742fdf2b042b71eb"


class DownloadError(RuntimeError):
    """A file could not be fetched, is not the one expected, or cannot be unpacked; the message says what to do."""


def ucf101_subset(folder: str | os.PathLike = "data") -> Path:
    """The folder `UCF101_subset` in `folder`: as it is if it is there already, else downloaded, checked and unpacked.

    An archive that was put into `folder` by hand is used like a downloaded one. Raises DownloadError.
    """
    folder = Path(folder)
    target, archive = folder / "UCF101_subset", folder / NAME
    if target.is_dir():
        return target
    if not archive.exists():
        fetch(folder)
    with open(archive, "rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != SHA256:
        wrong = archive.replace(archive.with_name(f"{NAME}.wrong"))
        raise DownloadError(f"{archive} is not the file expected: {wrong.stat().st_size} bytes with SHA-256 {found} "
                            f"instead of {SHA256}. It was renamed to {wrong.name}; call again to download it. If that "
                            "happens again, the file there was changed, or something on the way replaces it")
    return extract(archive, target)


def fetch(folder: Path) -> None:
    """Download the archive to `folder`, or say how to do it by hand."""
    address = f"https://huggingface.co/datasets/{REPOSITORY}/resolve/{REVISION}/{NAME}"
    try:
        from huggingface_hub import hf_hub_download

        hf_hub_download(REPOSITORY, NAME, repo_type="dataset", revision=REVISION, local_dir=folder)
    except Exception as error:  # the client's own errors, those of the library below it, of the disk, no client
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DownloadError(f"could not download {NAME} (171 MB): {reason}\nBy hand: open {address} on a machine "
                            f"with a network, put the file into {folder.resolve()} under the name {NAME}, and call "
                            "again; it is then checked and used") from error


def extract(archive: Path, target: Path) -> Path:
    """Unpack a tar archive as the folder `target`, whole or not at all; -> `target`.

    If all lies in one top folder, that becomes `target`, whatever its name. A member that would be written outside,
    a device file, or a damaged archive raise DownloadError; Python's "data" filter decides.
    """
    work = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(work, ignore_errors=True)  # of a process that was killed
    work.mkdir(parents=True)
    try:
        with tarfile.open(archive) as content:
            content.extractall(work, filter="data")
            content.fileobj.seek(content.offset)
            if content.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # tarfile itself does not look
                raise tarfile.ReadError("its end is missing")
        tops = [path for path in work.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        os.replace(tops[0] if len(tops) == 1 and tops[0].is_dir() else work, target)
    except tarfile.FilterError as error:
        raise DownloadError(f"{archive} wants to write outside its folder, or what is no file ({error}); nothing was "
                            "unpacked, and it should not be trusted") from error
    except (tarfile.TarError, EOFError, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise DownloadError(f"{archive} cannot be unpacked ({reason}): damaged, or no tar; remove it and call again"
                            ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m videoformer_edu.data.video.ucf101",
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
