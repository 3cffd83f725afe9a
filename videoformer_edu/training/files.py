"""Files that are whole or not there at all, and places that are tried before they are needed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Another name to write to, which becomes `path` at the end of the block: whole, and safely on the disk.

    The name exists only when every byte behind it does. After an error the old `path` is untouched. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        yield unfinished
        with open(unfinished, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
        sync_folder(path.parent)  # the rename itself is on the disk only now
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Bring a folder's list of names to the disk."""
    if os.name != "posix":
        return  # a folder cannot be opened there; a rename is as safe as that system makes it
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # mounted network drives know no fsync of a folder
            raise
    finally:
        os.close(handle)


def try_file(path: Path, what: str, size: int = 0) -> None:
    """Raise ValueError in words if `path` could not be written: tried now, so that it is not found out in the end.

    what: how a person knows it, such as "--out". size: bytes that it will take. Makes the folders on the way.
    """
    if path.is_dir():
        raise ValueError(f"{what} is {path}, a folder; name a file in it, such as {path / 'NAME'}")
    if path.exists() and not (path.is_file() and os.access(path, os.W_OK)):
        raise ValueError(f"{what} is {path}, which may not be replaced; name another file")
    try_folder(path.parent, what, size, beside=path.name)


def try_folder(folder: Path, what: str, size: int = 0, *, beside: str = "") -> None:
    """The same for a file in `folder`, with a name like `beside`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder, prefix=f".{beside}.", suffix=".unfinished") as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ValueError(f"{what}: nothing can be written to {folder} ({error.strerror or error}); "
                         "name another place") from error
    if free < size:
        raise ValueError(f"{what}: {folder} has {free / 1e6:.1f} MB left, and {size / 1e6:.1f} MB are needed; "
                         "make room, or name another place")
